"""What a curated set is worth, and the samples that it is judged by."""

import pyarrow as pa

from windrow.schemas.states import ABSENT, PRESENT
from windrow.schemas.table import Column, Table

VERDICTS = ("better", "unclear", "worse", "unknown")
WEIGHTINGS = ("plain", "class_weighted")

HELD_OUT = Table(
    "held_out",
    "Samples that are kept apart to judge curated sets by: no label maker is given their label, none is exported.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column("group_id", pa.string(), "samples of a group (near-duplicates, or a common name) are held out together"),
        Column(
            "label",
            pa.string(),
            "its true label; null for a sample that only shares the group, and where samples may be of several classes",
            nullable=True,
        ),
    ),
    ("sample_id",),
)

HELD_OUT_STATES = Table(
    "held_out_states",
    "One row for each state that is known of a held-out sample, where samples may be of several classes.",
    (
        Column("sample_id", pa.string(), "the sample", references=("held_out", "sample_id")),
        Column("label", pa.string(), "the class"),
        Column("state", pa.string(), "its true state", one_of=(PRESENT, ABSENT)),
    ),
    ("sample_id", "label"),
)

WORTH = Table(
    "worth",
    "What the curated set is worth: a probe that trains on it, compared with one that trains on as many other samples.",
    (
        Column(
            "baseline",
            pa.string(),
            "random: of the whole pool; deduplicated: random, without near-duplicates; last: the last version",
            one_of=("random", "deduplicated", "last"),
        ),
        Column(
            "weighting",
            pa.string(),
            "how the probe trains: plain, or with the same weight for every class (of samples of several, for "
            "the presence and the absence of each)",
            one_of=WEIGHTINGS,
        ),
        Column(
            "verdict",
            pa.string(),
            "by the 95 % interval of the difference: unclear where it holds 0, unknown where there is none",
            one_of=VERDICTS,
        ),
        Column("why", pa.string(), "why it is unknown", nullable=True),
        Column("decides", pa.bool_(), "true for the weighting that the guard and the report go by"),
        Column(
            "probe",
            pa.string(),
            "what trains and predicts: logistic or knn on frozen features, or the user's own command",
            one_of=("logistic", "knn", "command"),
        ),
        Column("n_evaluated", pa.int64(), "held-out samples that it was judged on", minimum=0),
        Column("n_groups", pa.int64(), "independent groups of them", minimum=0),
        Column("n_samples", pa.int64(), "samples of the curated set that were judged, its first by rank", minimum=0),
        Column("n_seeds", pa.int64(), "other sets that it was compared with", minimum=0),
        Column(
            "quality",
            pa.float64(),
            "balanced accuracy of what trains on the curated set: the mean over classes, or where samples may be of "
            "several over the presence and the absence of each",
            True,
            minimum=0,
        ),
        Column("baseline_quality", pa.float64(), "mean balanced accuracy of the others", True, minimum=0),
        Column("difference_low", pa.float64(), "quality - baseline_quality is at least this, at 95 %", nullable=True),
        Column("difference_high", pa.float64(), "and at most this", nullable=True),
        Column(
            "multiplier",
            pa.float64(),
            "so many times as many random samples have the same quality; only against random",
            True,
            minimum=0,
        ),
        Column("multiplier_low", pa.float64(), "lower end of its 95 % interval", True, minimum=0),
        Column("multiplier_high", pa.float64(), "upper end of its 95 % interval", True, minimum=0),
        Column(
            "told",
            pa.string(),
            "how the multiplier is known; a lower bound is where the whole pool is not as good",
            True,
            one_of=("interpolated", "lower bound", "upper bound", "extrapolated"),
        ),
    ),
    ("baseline", "weighting"),
)

WORTH_SETS = Table(
    "worth_sets",
    "What the curated set and those that it is compared with are like.",
    (
        Column("set", pa.string(), "curated, or a baseline of `worth`; of random ones the mean over the seeds"),
        Column("n_samples", pa.int64(), "samples in it", minimum=0),
        Column("n_labelled", pa.float64(), "of these, with a label that a trainer would be given", minimum=0),
        Column("n_given", pa.float64(), "of these, with a label that was given, not made by windrow", minimum=0),
        Column(
            "balance",
            pa.float64(),
            "normalised entropy of the classes of its given labels, 1 is even; null with fewer than 50 of them",
            True,
            minimum=0,
            maximum=1,
        ),
        Column(
            "radius_95",
            pa.float64(),
            "95 % of the pool (of 2,000 of it, where it is larger) have a sample of the set as near as this; Euclidean"
            " distance of unit features",
            minimum=0,
        ),
        Column("radius", pa.float64(), "all of them have", minimum=0),
        Column("effective_clusters", pa.float64(), "exp(entropy) over the finest clusters", minimum=0),
    ),
    ("set",),
)

WORTH_CURVE = Table(
    "worth_curve",
    "The learning curve of random sets of the pool.",
    (
        Column("weighting", pa.string(), "as in `worth`", one_of=WEIGHTINGS),
        Column("n_samples", pa.int64(), "samples of each set", minimum=1),
        Column("n_seeds", pa.int64(), "sets; one where it is the whole pool", minimum=1),
        Column("quality", pa.float64(), "mean balanced accuracy", minimum=0, maximum=1),
        Column(
            "deviation",
            pa.float64(),
            "standard deviation between sets, without the part that the evaluated samples have in it",
            minimum=0,
        ),
    ),
    ("weighting", "n_samples"),
)

WORTH_KEPT = Table(
    "worth_kept",
    "One row where a night kept an earlier judgement (`worth.most_changed`): `worth` is then of that version's set.",
    (
        Column("judged_on", pa.string(), "the version that was judged"),
        Column("changed", pa.float64(), "the largest of the three shares below", minimum=0, maximum=1),
        Column("pool_changed", pa.float64(), "of the pool, that came, went or has another label since", minimum=0),
        Column("set_changed", pa.float64(), "the same, of what was judged of the curated set", minimum=0),
        Column("held_out_changed", pa.float64(), "the same, of the samples that judged it", minimum=0),
    ),
    ("judged_on",),
)
