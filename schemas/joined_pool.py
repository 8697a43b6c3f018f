"""The pool: one row a sample with all that is known of it, put together from the other tables.

`JOINED` says what it takes from each of them, and under which name; its columns, the SQL that joins them while a run is
on its way, and the table that a finished run has instead all follow from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from windrow.schemas.clusters import ASSIGNMENTS
from windrow.schemas.exported import REST_PROBABILITY
from windrow.schemas.labels import BELONGING, LABEL_QUALITY, LABELS
from windrow.schemas.occurrences import OCCURRENCES
from windrow.schemas.quality import HASH_GROUPS, QUALITY
from windrow.schemas.samples import REGISTRY, SAMPLES
from windrow.schemas.scores import MODEL_SCORES, SCORES
from windrow.schemas.selection import REFERENCE_WEIGHTS, SELECTION
from windrow.schemas.table import Column, Table


@dataclass(frozen=True)
class Joined:
    """What the pool takes of a table: `columns` as they are named there, `renamed` by their names there.

    `rows` is the SQL that has one row a sample of it, the table itself where it has. `computed` columns, by their SQL,
    are the pool's own. `missing` is the value of a column for a sample that the table lacks, null otherwise.
    """

    table: Table
    columns: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    rows: str | None = None
    computed: Mapping[str, Column] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def columns_of_pool(self) -> tuple[Column, ...]:
        """Its columns, as the pool declares them: a sample need not be in a table beside SAMPLES."""
        declared = {column.name: column for column in self.table.columns}
        names = {**{name: name for name in self.columns.split()}, **self.renamed}
        taken = (replace(declared[name], name=as_name) for name, as_name in names.items())
        always = {"sample_id", *self.missing}
        return tuple(
            replace(column, nullable=column.name not in always, references=None)
            for column in (*taken, *self.computed.values())
        )

    def select(self, alias: str) -> str:
        """The SQL of its columns, where the table goes by `alias`."""
        taken = [
            f"coalesce({alias}.{name}, {self.missing[name]}) AS {name}" if name in self.missing else f"{alias}.{name}"
            for name in self.columns.split()
        ]
        taken += [f"{alias}.{name} AS {as_name}" for name, as_name in self.renamed.items()]
        computed = (f"{sql.format(alias)} AS {column.name}" for sql, column in self.computed.items())
        return ", ".join([*taken, *computed])


REST_SQL = "CASE WHEN len({0}.probabilities) > 0 THEN greatest(0, 1 - list_sum({0}.probabilities::DOUBLE[]))::FLOAT END"
"""What the probabilities of a row of LABELS leave to the classes that it does not list; the table's name goes in."""
_LABELS = "(SELECT * FROM labels WHERE label_set = '{}')"
_SCORED = (
    "(SELECT sample_id, map_from_entries(list((score, value) ORDER BY score)) AS model_scores"
    " FROM model_scores GROUP BY 1)"
)
_N_PIXELS = Column("n_pixels", pa.int64(), "width times height", minimum=1)
_ASPECT_RATIO = Column("aspect_ratio", pa.float64(), "width by height", minimum=0)
_SCORES = Column("model_scores", pa.map_(pa.string(), pa.float32()), "what models of your own say: see that table")
_CLUSTER = Column("cluster", pa.int32(), "its coarsest cluster", minimum=0)

JOINED = (
    Joined(
        SAMPLES,
        " ".join(column.name for column in SAMPLES.columns),
        computed={"{0}.width::BIGINT * {0}.height": _N_PIXELS, "{0}.width::DOUBLE / {0}.height": _ASPECT_RATIO},
    ),
    Joined(QUALITY, "blur brightness contrast entropy phash"),
    Joined(HASH_GROUPS, renamed={"group_id": "hash_group", "n_in_group": "n_in_hash_group"}),
    Joined(MODEL_SCORES, rows=_SCORED, computed={"{0}.model_scores": _SCORES}),
    Joined(REGISTRY, "sample_index"),
    Joined(ASSIGNMENTS, "cluster_path distance", computed={"list_last({0}.cluster_path)": _CLUSTER}),
    Joined(SCORES, "nearest_similarity outlier_score off_topic_score foreign_score"),
    Joined(
        LABELS,
        "label label_weight confidence abstained classes probabilities annotator agreement possible left_out",
        rows=_LABELS.format("pseudo"),
        computed={REST_SQL: REST_PROBABILITY},
    ),
    Joined(BELONGING, "belonging"),
    Joined(LABELS, renamed={"label": "given_label", "annotator": "given_annotator"}, rows=_LABELS.format("given")),
    Joined(LABEL_QUALITY, "label_quality is_doubtful suggested_label"),
    Joined(REFERENCE_WEIGHTS, "density_ratio is_alike"),
    Joined(OCCURRENCES, "occurrence_id source_uri shard key license spdx author source_url", rows="{occurrences}"),
    Joined(
        SELECTION,
        "rank part selected sample_weight dropped_by duplicate_of similarity group_id split",
        missing={"selected": "false"},
    ),
)
"""In the order of the pool's columns; the first has a row for every sample, the others one or none."""


def pool_sql() -> str:
    """The SQL of the pool from the tables that it is put together from; `{occurrences}` has one for each sample."""
    parts = {f"t{number}": joined for number, joined in enumerate(JOINED)}
    columns = ",\n    ".join(joined.select(alias) for alias, joined in parts.items())
    first, *others = ((joined.rows or joined.table.name, alias) for alias, joined in parts.items())
    joins = "\n".join(f"LEFT JOIN {rows} {alias} USING (sample_id)" for rows, alias in others)
    return f"SELECT {columns}\nFROM {first[0]} {first[1]}\n{joins}"


POOL = Table(
    "pool",
    "One row for each readable sample, with all that is known of it, in the order of its rank: what the other tables"
    " say, joined. `curated` is its selected part.",
    tuple(column for joined in JOINED for column in joined.columns_of_pool()),
    ("sample_id",),
)
