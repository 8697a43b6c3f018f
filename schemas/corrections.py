"""What people say of samples: facts that are added, and never edits of data."""

from typing import Literal, get_args

import pyarrow as pa

from windrow.schemas.table import Column, Table

Kind = Literal["label", "wrong_label", "keep", "drop", "not_a_duplicate", "wrong_cluster", "undo"]
KINDS: tuple[str, ...] = get_args(Kind)
FORGOTTEN_KIND = "forgotten"
"""What is left of a row whose sample was forgotten: its number."""

OF_LABELS = ("label", "wrong_label", "wrong_cluster")
OF_SELECTION = ("keep", "drop", "not_a_duplicate")
"""Which kinds the labels of a run look at, and which its ranking."""

COLUMNS = (
    Column("number", pa.int64(), "their order: what was added later has a higher one, whatever clocks say", minimum=0),
    Column("sample_id", pa.string(), "the sample"),
    Column(
        "kind",
        pa.string(),
        "label: it is of this class. wrong_label: it is not. keep: whatever filters say, and before all others. drop: "
        "not selected. not_a_duplicate: of the other sample. wrong_cluster: no label comes from its clusters. undo: "
        "what this person said of it no longer counts. forgotten: the sample was",
        one_of=(*KINDS, FORGOTTEN_KIND),
    ),
    Column("value", pa.string(), "the class, of label and wrong_label; of undo, the kind, null for all", nullable=True),
    Column("other_sample_id", pa.string(), "the other sample, of not_a_duplicate", nullable=True),
    Column("who", pa.string(), "the person, or the program"),
    Column("why", pa.string(), "in their words", nullable=True),
    Column("added_at", pa.timestamp("us", "UTC"), "when it was added"),
)

CORRECTIONS = Table(
    "corrections",
    "One row for each thing that somebody said of a sample, by `windrow corrections`, `windrow audit read --apply` or "
    "a program: append-only. The next run takes them, see `taken_corrections`.",
    COLUMNS,
    ("number",),
)
TAKEN_CORRECTIONS = Table(
    "taken_corrections",
    "The corrections that a run took: of samples of its pool, and without what was undone, or said otherwise later.",
    COLUMNS,
    ("number",),
)
