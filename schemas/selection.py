"""The ranking of the pool, and what became of each occurrence."""

import pyarrow as pa

from windrow.schemas.table import Column, Table

SELECTION = Table(
    "selection",
    "One row for each readable sample. `where rank <= T` is the curated set of size T, for every T.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column("rank", pa.int64(), "place in the ranking, from 1; null when dropped", nullable=True, minimum=1),
        Column("part", pa.string(), "`selection.parts` that it was ranked for; null without parts", nullable=True),
        Column("selected", pa.bool_(), "rank <= target_size"),
        Column("weight", pa.float64(), "inverse inclusion probability; null when not selected", True, minimum=0),
        Column("dropped_by", pa.string(), "rule that dropped it before ranking; null when ranked", nullable=True),
        Column(
            "duplicate_of",
            pa.string(),
            "kept sample that it is a near-duplicate of",
            True,
            references=("samples", "sample_id"),
        ),
        Column("similarity", pa.float32(), "cosine similarity to `duplicate_of`", nullable=True),
        Column("group_id", pa.string(), "samples of a group go to the same split"),
        Column("split", pa.string(), "split of the export; null when not selected", nullable=True),
    ),
    ("sample_id",),
)

OUTCOME_KINDS = (
    *("exported", "not_published", "not_selected", "duplicate", "near_duplicate", "filtered", "held_out"),
    *("unreadable", "forgotten"),
)

OUTCOMES = Table(
    "outcomes",
    "Exactly one row for each occurrence: nothing vanishes.",
    (
        Column("occurrence_id", pa.string(), "the occurrence", references=("occurrences", "occurrence_id")),
        Column("sample_id", pa.string(), "the sample; null when its bytes could not be read", nullable=True),
        Column("outcome", pa.string(), "what became of it", one_of=OUTCOME_KINDS),
        Column(
            "reason",
            pa.string(),
            "the rule, the error, or why nothing was published; null when exported, held out or not selected",
            nullable=True,
        ),
        Column("duplicate_of", pa.string(), "occurrence or sample that stands for it", nullable=True),
    ),
    ("occurrence_id",),
)
