"""The rows of an export: the selected samples, where they lie, and what is known of them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from windrow.schemas import REGISTRY
from windrow.schemas.stages import Stage
from windrow.tasks.labels.given_labels import class_names
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.registry import registry_files

SELECTED_SQL = """
SELECT e.sample_id, r.sample_index, e.rank, e.weight, e.split, e.group_id, a.cluster_path,
       l.label, l.confidence, l.classes, l.probabilities, l.abstained, g.label AS given_label,
       o.caption, o.metadata, coalesce(o.spdx, o.license) AS license,
       o.author, o.source_url, s.width, s.height, s.format, s.n_bytes,
       o.source_uri, o.kind, o.shard, o.position, o.key, o.extension, o.byte_offset, o.byte_length,
       o.copy, o.members
FROM selection e
JOIN samples s USING (sample_id)
JOIN registry r USING (sample_id)
JOIN assignments a USING (sample_id)
JOIN standing o USING (sample_id)
LEFT JOIN (SELECT * FROM labels WHERE label_set = ?) l USING (sample_id)
LEFT JOIN (SELECT * FROM labels WHERE label_set = 'given') g USING (sample_id)
WHERE e.selected
ORDER BY e.split, e.rank
"""


def selected_rows(store: Path, made: Made, label_set: str) -> tuple[pa.Table, list[str]]:
    """Return the rows to export, by split and rank, and all classes of the label set.

    Raises ValueError when the label set is not there.
    """
    outputs = made.opened(store, Stage.INGEST, Stage.FEATURES, Stage.CLUSTER, Stage.PSEUDO_LABEL, Stage.RANK)
    connection = connect({**tables_of(outputs), REGISTRY.name: registry_files(store)})
    rows = connection.sql(SELECTED_SQL, params=[label_set]).to_arrow_table()
    labels = connection.sql("SELECT label FROM labels WHERE label_set = ?", params=[label_set]).to_arrow_table()
    if not labels.num_rows:
        known = [row[0] for row in connection.sql("SELECT DISTINCT label_set FROM labels ORDER BY 1").fetchall()]
        raise ValueError(f"export.label_set: there is no label set {label_set!r}; there are {', '.join(known)}")
    return rows, class_names(labels)
