"""The samples that a store refuses."""

import pyarrow as pa

from windrow.schemas.table import Column, Table

FORGOTTEN = Table(
    "forgotten",
    "One row for each sample that `windrow forget` removed, and that this store refuses for ever: append-only. The id "
    "is a hash and stays, as the means of knowing the bytes again.",
    (
        Column("sample_id", pa.string(), "the sample"),
        Column("sample_index", pa.int64(), "the index that it had, never given again", nullable=True, minimum=0),
        Column("because_of", pa.string(), "the sample asked for: itself, or the one that it is a near-duplicate of"),
        Column("similarity", pa.float32(), "cosine similarity of the near-duplicate; null when asked for", True),
        Column("reason", pa.string(), "why, in the words of who asked", nullable=True),
        Column("takedown", pa.string(), "the take-down: `takedowns/<takedown>.json`"),
        Column("requested_at", pa.timestamp("us", "UTC"), "when it was asked for"),
    ),
    ("sample_id",),
)

FORGOTTEN_BY = "forgotten: take-down "
"""How `occurrences.unreadable` starts for bytes that are refused; the take-down follows."""
