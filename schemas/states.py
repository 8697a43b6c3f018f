"""States of classes: which a sample is of, which it is not of, and of which nobody knows (`labels.kind: multi`).

A sample's state of a class is that of its row in `label_states`; without one it is absent where the sample's vocabulary
names the class, and unknown where it does not. So what is commonest of a class takes no rows.
"""

import pyarrow as pa

from windrow.schemas.table import Column, Table

PRESENT, ABSENT, UNKNOWN = "present", "absent", "unknown"
STATES = (PRESENT, ABSENT, UNKNOWN)
PSEUDO_STATES = "pseudo"
"""The label set of what is said together: given states, and what is spread of them."""

LABEL_STATES = Table(
    "label_states",
    "One row for each sample, label set and class of which something else holds than what `vocabularies` says of all,"
    " or which is one of the sample's `labels.top_k` most probable. 'Unknown' is never 'absent'.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column("label_set", pa.string(), "given or pseudo"),
        Column("label", pa.string(), "the class"),
        Column("state", pa.string(), "present, absent or unknown", one_of=STATES),
        Column(
            "probability",
            pa.float32(),
            "calibrated probability that it is present: 1 or 0 where it was given; null where people contradict each"
            " other",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        Column(
            "annotator",
            pa.string(),
            "who says so: source, user or the names of people, up to three; windrow; cdul, by the name of the class",
        ),
    ),
    ("sample_id", "label_set", "label"),
)

LOOKED_FOR = Table(
    "looked_for",
    "One row for each sample and label set that has a vocabulary.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column("label_set", pa.string(), "given or pseudo"),
        Column("vocabulary", pa.int32(), "its number in `vocabularies`", minimum=0),
    ),
    ("sample_id", "label_set"),
)

VOCABULARIES = Table(
    "vocabularies",
    "One row for each class of a vocabulary: it is absent of all samples of the vocabulary that have no row for it in"
    " `label_states`.",
    (
        Column("label_set", pa.string(), "given or pseudo"),
        Column("vocabulary", pa.int32(), "number, from 0", minimum=0),
        Column("label", pa.string(), "the class"),
        Column(
            "probability",
            pa.float32(),
            "that it is present all the same: 0 of given ones, else the mean over these samples",
            minimum=0,
            maximum=1,
        ),
    ),
    ("label_set", "vocabulary", "label"),
)

STATE_CLASSES = Table(
    "state_classes",
    "One row for each class of a pool whose samples may be of several: what its pseudo-labels were made from.",
    (
        Column("label", pa.string(), "the class"),
        Column("n_present", pa.int64(), "samples of which it is given as present", minimum=0),
        Column("n_absent", pa.int64(), "samples of which it is given as absent", minimum=0),
        Column(
            "method",
            pa.string(),
            "one-vs-rest; positive-unlabelled, where no absence is known; cdul, by its name; one-vs-rest and cdul; or"
            " none, where nothing can be learnt",
        ),
        Column(
            "least_present",
            pa.float32(),
            "the probability from which on it is said to be present; null where that is never said",
            nullable=True,
        ),
        Column(
            "most_absent",
            pa.float32(),
            "the probability up to which it is said to be absent; null where that is never said",
            nullable=True,
        ),
        Column("n_said_present", pa.int64(), "samples without a given state that are said to have it", minimum=0),
        Column("n_said_absent", pa.int64(), "samples without a given state that are said not to have it", minimum=0),
        Column("why_unknown", pa.string(), "why it is never said to be present, or absent", nullable=True),
    ),
    ("label",),
)
