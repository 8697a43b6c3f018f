"""The rows of an export: the selected samples, where they lie, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import REGISTRY
from windrow.schemas.exported import LABELLED, REST
from windrow.schemas.joined_pool import REST_SQL
from windrow.schemas.stages import Stage
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.export.exported_states import COLUMNS, JOIN, stated_classes
from windrow.tasks.labels.given_labels import class_names
from windrow.tasks.labels.rows.label_rows import are_clusters
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.registry import registry_files

OF_LABELS = tuple(column.name for column in LABELLED)

SELECTED_SQL = """
SELECT e.sample_id, r.sample_index, e.rank, e.sample_weight, coalesce(e.split, '{rest}') AS split, e.group_id,
       a.cluster_path,
       list_last(a.cluster_path) AS cluster, {said},
       g.label AS given_label, g.annotator AS given_annotator, q.label_quality, q.is_doubtful, q.suggested_label,
       b.belonging, o.caption, o.metadata, coalesce(o.spdx, o.license) AS license,
       o.author, o.source_url, s.width, s.height, s.format, s.n_bytes, s.mended,
       o.source_uri, o.kind, o.shard, o.position, o.key, o.extension, o.byte_offset, o.byte_length,
       o.copy, o.members, e.selected, e.part, a.distance, c.nearest_similarity, c.outlier_score, c.off_topic_score,
       c.foreign_score,
       y.blur, y.brightness, y.contrast, y.entropy, y.phash, w.density_ratio, w.is_alike, m.score_names, m.score_values
       {stated}
FROM selection e
JOIN samples s USING (sample_id)
JOIN registry r USING (sample_id)
JOIN assignments a USING (sample_id)
JOIN standing o USING (sample_id)
{joined}
LEFT JOIN (SELECT * FROM labels WHERE label_set = 'given') g USING (sample_id)
LEFT JOIN label_quality q USING (sample_id)
LEFT JOIN belonging b USING (sample_id)
LEFT JOIN scores c USING (sample_id)
LEFT JOIN quality y USING (sample_id)
LEFT JOIN reference_weights w USING (sample_id)
LEFT JOIN (
    SELECT sample_id, list(score ORDER BY score) AS score_names, list(value ORDER BY score) AS score_values
    FROM model_scores WHERE error IS NULL GROUP BY 1
) m USING (sample_id)
WHERE {wanted}
ORDER BY split, e.rank
"""
GIVEN = ("given_label", "given_annotator")
"""What every version says of the label set 'given'."""


def stages_of(config: ExportConfig) -> tuple[Stage, ...]:
    """The stages that say what is exported, and all that is exported of it."""
    scored = (Stage.MODEL_SCORES, Stage.NEIGHBORS) if config.what == "pool" else ()
    return (Stage.INGEST, *scored, Stage.FEATURES, Stage.CLUSTER, Stage.PSEUDO_LABEL, Stage.RANK)


def _selected_sql(columns: Sequence[Sequence[str]], everything: bool, states: bool) -> str:
    """The query, over parameters that name the label sets; `columns` are those of each, '' to leave one out.

    `states`: whether the states of classes are wanted too, whose label set is the last parameter.
    """
    said: list[str] = []
    joined = []
    for number, names in enumerate(columns):
        table = f"l{number}"
        for column, name in zip(OF_LABELS, names, strict=True):
            value = REST_SQL.format(table) if column == "rest_probability" else f"{table}.{column}"
            said += [f"{value} AS {_identifier(name)}"] if name else []
        joined.append(f"LEFT JOIN (SELECT * FROM labels WHERE label_set = ?) {table} USING (sample_id)")
    wanted = "e.rank IS NOT NULL" if everything else "e.selected"
    parts = {"said": ", ".join(said), "stated": COLUMNS if states else ""}
    joined += [JOIN] if states else []
    return SELECTED_SQL.format(**parts, joined="\n".join(joined), wanted=wanted, rest=REST)


def _identifier(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def selected_rows(store: Path, made: Made, config: ExportConfig) -> tuple[pa.Table, list[str]]:
    """Return the rows to export, by split and rank, and all classes of the label set; what others say is beside it.

    Clusters are no classes: of a label set of these the number is `cluster`, and there are no labels. A label set that
    the run has not made, as it found no labels for it, has no classes: nothing is labelled.
    """
    outputs = made.opened(store, *stages_of(config))
    connection = connect({**tables_of(outputs), REGISTRY.name: registry_files(store)})
    further = [[f"{name}_{column}" for column in OF_LABELS] for name in config.label_sets]
    columns = [OF_LABELS, *([name if name not in GIVEN else "" for name in each] for each in further)]
    states = config.further.states
    sql = _selected_sql(columns, config.what == "pool", states)
    rows = connection.sql(sql, params=[*config.said_by, *([config.label_set] if states else [])]).to_arrow_table()
    if states:
        return rows, stated_classes(connection)
    labels = connection.sql(
        "SELECT label, method FROM labels WHERE label_set = ?", params=[config.label_set]
    ).to_arrow_table()
    names = class_names(labels)
    if names and are_clusters(names, pc.unique(labels["method"]).to_pylist()):
        return _as_clusters(rows), []
    return rows, names


def _as_clusters(rows: pa.Table) -> pa.Table:
    """Rows whose labels are numbers of clusters, with these as such."""
    at = rows.schema.get_field_index("cluster")
    rows = rows.set_column(at, "cluster", rows["label"].cast(pa.int32()))
    for name in OF_LABELS:
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), pa.nulls(rows.num_rows, rows.schema.field(at).type))
    return rows
