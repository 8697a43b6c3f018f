"""The ranking of the pool, and what became of each occurrence."""

import pyarrow as pa

from windrow.schemas.table import Column, Table

SELECTION = Table(
    "selection",
    "One row for each readable sample. `where rank <= T` is the curated set of size T, for every T.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column(
            "occurrence_id",
            pa.string(),
            "occurrence that stands for it: the first, by source, shard and position, that the filters accept",
            references=("occurrences", "occurrence_id"),
        ),
        Column("rank", pa.int64(), "place in the ranking, from 1; null when dropped", nullable=True, minimum=1),
        Column("part", pa.string(), "`selection.parts` that it was ranked for; null without parts", nullable=True),
        Column("selected", pa.bool_(), "rank <= target_size"),
        Column("sample_weight", pa.float64(), "inverse inclusion probability; null when not selected", True, minimum=0),
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

RANKING = Table(
    "ranking",
    "SELECTION before it is said how many samples are wanted: what every size is cut from.",
    (
        *(SELECTION.column(name) for name in ("sample_id", "occurrence_id", "rank", "part", "dropped_by")),
        *(SELECTION.column(name) for name in ("duplicate_of", "similarity", "group_id")),
        Column("claimed", pa.string(), "split that takes it by `where` or `ids`", nullable=True),
        Column(
            "label", pa.string(), "the given label, else the pseudo-label, where splits are stratified", nullable=True
        ),
        Column(
            "strata",
            pa.list_(pa.int32()),
            "strata of the policy, finest first, by which it is weighed; null when a rule dropped it",
            nullable=True,
        ),
    ),
    ("sample_id",),
)

LEAK_EVIDENCE = ("bytes", "embedding", "hash")

LEAKS = Table(
    "leaks",
    "One row for each sample that is a near-duplicate of one that `selection.keep_away` names: it is not ranked.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column("leak_of", pa.string(), "sample_id of the kept-away sample that it is closest to"),
        Column("evidence", pa.string(), "what shows it: the same bytes, or what is near", one_of=LEAK_EVIDENCE),
        Column("similarity", pa.float32(), "cosine similarity to `leak_of`; null where below the threshold", True),
        Column("distance", pa.int64(), "bits in which their hashes differ; null where more than few", True, minimum=0),
        Column("n_leaks", pa.int64(), "kept-away samples that it is a near-duplicate of", minimum=1),
        Column("source_uri", pa.string(), "where `leak_of` was seen first: the source"),
        Column("shard", pa.string(), "its shard"),
        Column("key", pa.string(), "its key"),
    ),
    ("sample_id",),
)

REFERENCE_WEIGHTS = Table(
    "reference_weights",
    "One row for each embedded sample, where there is a `selection.reference`: how it lies to that.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column("density_ratio", pa.float64(), "how dense the reference is there, as a multiple of the pool", minimum=0),
        Column("is_alike", pa.bool_(), "within the reference: as near to a sample of it as its 5th neighbour there is"),
    ),
    ("sample_id",),
)

REFERENCE_OVERLAP = Table(
    "reference_overlap",
    "How far the pool and `selection.reference` overlap: one row, or none without a reference.",
    (
        Column("n_reference", pa.int64(), "samples of the reference that were compared", minimum=1),
        Column("reference_covered", pa.float64(), "share of them within the pool", minimum=0, maximum=1),
        Column(
            "reference_covered_low",
            pa.float64(),
            "lower end of the 95 % interval of that share of the whole reference, of which those compared are a sample",
            minimum=0,
            maximum=1,
        ),
        Column("reference_covered_high", pa.float64(), "upper end of it", minimum=0, maximum=1),
        Column("n_pool", pa.int64(), "embedded samples of the pool", minimum=1),
        Column("pool_alike", pa.float64(), "share of them within the reference", minimum=0, maximum=1),
    ),
    ("n_reference",),
)

NEAR_DUPLICATE_THRESHOLD = Table(
    "near_duplicate_threshold",
    "From which cosine similarity on samples were near-duplicates in this run, and why: one row.",
    (
        Column("threshold", pa.float64(), "the cosine similarity", minimum=0, maximum=1),
        Column("how", pa.string(), "'as set', or how it was proposed (`selection.near_duplicate_threshold: auto`)"),
    ),
    ("threshold",),
)

SAMPLE_SETS = ("pool", "curated")

CLASS_BALANCE = Table(
    "class_balance",
    "How even the classes are in the pool (what no rule dropped) and in the curated set: an estimate from the given"
    " labels, no count of pseudo-labels. No rows without a given label.",
    (
        Column("sample_set", pa.string(), "pool or curated", one_of=SAMPLE_SETS),
        Column("n_samples", pa.int64(), "samples that are taken to be of a class", minimum=0),
        Column("n_no_class", pa.int64(), "samples left out, as they seem to be of no class", minimum=0),
        Column("balance", pa.float64(), "normalised entropy of the shares, 1 is even; null when unknown", True),
        Column("low", pa.float64(), "lower end of the 95 % interval", True),
        Column("high", pa.float64(), "upper end of the 95 % interval", True),
        Column("unknown", pa.string(), "why it cannot be told; null where it is", True),
    ),
    ("sample_set",),
)

CLASS_SHARES = Table(
    "class_shares",
    "The share of each class of the given labels in the pool and in the curated set, estimated as `class_balance` is.",
    (
        Column("sample_set", pa.string(), "pool or curated", one_of=SAMPLE_SETS),
        Column("class", pa.string(), "the class"),
        Column("share", pa.float64(), "of the samples of the set that are of a class", minimum=0, maximum=1),
        Column("low", pa.float64(), "lower end of the 95 % interval", minimum=0, maximum=1),
        Column("high", pa.float64(), "upper end of the 95 % interval", minimum=0, maximum=1),
    ),
    ("sample_set", "class"),
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
