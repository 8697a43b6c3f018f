"""Labels and pseudo-labels: who says what about a sample, and how surely."""

import pyarrow as pa

from windrow.schemas.table import Column, Table

LABELS = Table(
    "labels",
    "One row for each sample and label set. No row means 'not labelled', which is never 'negative'.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column("label_set", pa.string(), "given, cluster_1, propagation, probe, pseudo, most_probable, ..."),
        Column("label", pa.string(), "the hard label; null when abstained", nullable=True),
        Column(
            "classes",
            pa.list_(pa.string()),
            "the label, or what it would have been, then the most probable of the other classes",
        ),
        Column("probabilities", pa.list_(pa.float32()), "their probabilities"),
        Column("confidence", pa.float32(), "calibrated probability of the first class", minimum=0, maximum=1),
        Column("abstained", pa.bool_(), "true when the confidence does not reach the policy's threshold"),
        Column("label_weight", pa.float32(), "what it should weigh in training; abstained: 0", minimum=0, maximum=1),
        Column(
            "annotator",
            pa.string(),
            "who says so: source, windrow, or user, which are the names of people where a file has these, up to three",
        ),
        Column("method", pa.string(), "how, with its parameters"),
        Column("round", pa.int32(), "round of an iterative method, from 0", minimum=0),
        Column(
            "agreement",
            pa.float32(),
            "of 'pseudo' and 'most_probable': the share of the makers that find the same class most probable",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        Column(
            "possible",
            pa.list_(pa.string()),
            "every class that the label may be, with probability `labels.conformal.coverage` or more; null without it,"
            " or where they are more than `most`",
            nullable=True,
        ),
        Column(
            "left_out",
            pa.list_(pa.string()),
            "classes that a loss must leave out for the label to be sure (policy exclude)",
            nullable=True,
        ),
    ),
    ("sample_id", "label_set"),
)

ANNOTATIONS = Table(
    "annotations",
    "One row for each label that a named person gave a sample: the rows of `labels.given` with an `annotator`.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column("annotator", pa.string(), "who says so"),
        Column("label", pa.string(), "the label"),
        Column("label_weight", pa.float32(), "mean `weight` of these rows; 1 without that", minimum=0, maximum=1),
    ),
    ("sample_id", "annotator", "label"),
)

ANNOTATORS = Table(
    "annotators",
    "One row for each person that gave labels.",
    (
        Column("annotator", pa.string(), "who"),
        Column("n_samples", pa.int64(), "samples that have a label of theirs", minimum=1),
        Column(
            "agreement",
            pa.float64(),
            "share of their labels that are what all together say; null where that abstains throughout",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        Column(
            "accuracy",
            pa.float64(),
            "how often they are right by Dawid and Skene; null for the majority (`labels.annotators`)",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
    ),
    ("annotator",),
)

LABEL_SETS = Table(
    "label_sets",
    "One row for each label set that makers made of classes: how, and by which numbers.",
    (
        Column("label_set", pa.string(), "propagation, pseudo, most_probable, ..."),
        Column("method", pa.string(), "how, with its parameters"),
        Column("classes", pa.list_(pa.string()), "all classes, in the order of the lists beside and of `soft_labels`"),
        Column(
            "prior",
            pa.list_(pa.float64()),
            "the share that each class seems to have of the pool; null where it was not asked (`labels.prior`)",
            nullable=True,
        ),
        Column(
            "thresholds",
            pa.list_(pa.float32()),
            "the confidence that a label of each class must reach; null where the policy has none",
            nullable=True,
        ),
        Column("temperature", pa.float64(), "by which a maker's logits were divided; 1 where they were not", minimum=0),
    ),
    ("label_set",),
)

SOFT_LABELS = Table(
    "soft_labels",
    "The probability of every class, of the label sets that `export.soft_labels` is for.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column("label_set", pa.string(), "pseudo, most_probable or a maker's"),
        Column("probabilities", pa.list_(pa.float16()), "of the classes of `label_sets`, in their order", vector=True),
    ),
    ("sample_id", "label_set"),
)

CLASS_NAMES = Table(
    "class_names",
    "What the numbers of labels stand for, in sources that say so (ClassLabel of Hugging Face datasets).",
    (
        Column("source_uri", pa.string(), "the source"),
        Column("shard", pa.string(), "its shard"),
        Column("number", pa.int64(), "the number, from 0", minimum=0),
        Column("name", pa.string(), "the class"),
    ),
    ("source_uri", "shard", "number"),
)

USER_FILES = Table(
    "user_files",
    "One row for each file of the user's that samples are looked up by in this run: how its rows fit the pool.",
    (
        Column("setting", pa.string(), "the setting that names it"),
        Column("path", pa.string(), "the file"),
        Column("n_rows", pa.int64(), "rows below the header that are not blank; in COCO's format, images", minimum=0),
        Column("n_matched", pa.int64(), "rows that name a readable sample, and say something of it", minimum=0),
        Column(
            "n_unmatched", pa.int64(), "rows that name no sample of the pool, or one that cannot be read", minimum=0
        ),
        Column("n_empty", pa.int64(), "rows that say nothing: no label, or a spelling of none", minimum=0),
        Column("n_conflicting", pa.int64(), "of the matched, rows of samples with several labels", minimum=0),
        Column("n_ambiguous", pa.int64(), "rows that fit several samples: 0, as such a file is refused", minimum=0),
        Column("n_headers", pa.int64(), "rows that only say the header again, left out", minimum=0),
        Column("unmatched", pa.list_(pa.string()), "the first of the unmatched rows, with their lines"),
    ),
    ("setting",),
)

COCO_FILES = Table(
    "coco_files",
    "One row for each file in COCO's format in `user_files`, whose rows are images: what it says of them.",
    (
        Column("setting", pa.string(), "the setting that names it", references=("user_files", "setting")),
        Column("n_present", pa.int64(), "pairs of an image and a class that is present in it", minimum=0),
        Column("n_absent", pa.int64(), "pairs of an image and a class that is said not to be in it", minimum=0),
        Column("n_classes", pa.int64(), "classes of its categories", minimum=0),
        Column("n_unnamed", pa.int64(), "readable samples of the pool that it does not name", minimum=0),
    ),
    ("setting",),
)

PREDICTIONS = Table(
    "predictions",
    "What each label maker says of each sample, before it is calibrated.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column("maker", pa.string(), "propagation, probe, ..."),
        Column("round", pa.int32(), "round of an iterative maker, from 0; the last counts", minimum=0),
        Column("classes", pa.list_(pa.string()), "the most probable classes, by all given labels; 64 at most"),
        Column("probabilities", pa.list_(pa.float32()), "their probabilities"),
        Column(
            "held_out_classes",
            pa.list_(pa.string()),
            "the same by others' labels only; null without a given label",
            nullable=True,
        ),
        Column("held_out_probabilities", pa.list_(pa.float32()), "their probabilities", nullable=True),
    ),
    ("sample_id", "maker", "round"),
)

BELONGING = Table(
    "belonging",
    "How usual it would be for a sample of the labelled classes to be this far from the labels: a conformal p-value.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column(
            "belonging", pa.float32(), "near 0: perhaps of no labelled class; 1 for given labels", minimum=0, maximum=1
        ),
    ),
    ("sample_id",),
)

BELONGING_REACH = Table(
    "belonging_reach",
    "One row for each judged sample: from what later nights go on when they judge only what is new.",
    (
        Column("sample_id", pa.string(), "the sample", references=("belonging", "sample_id")),
        Column(
            "reached",
            pa.float32(),
            "probability that a walk from neighbour to neighbour stops at a given label",
            minimum=0,
            maximum=1,
        ),
        Column(
            "held_out_nearness",
            pa.float32(),
            "of a sample that had a label when all were judged: how near it is to the other labels, 0 to 1",
            nullable=True,
            minimum=0,
        ),
    ),
    ("sample_id",),
)

LABEL_QUALITY = Table(
    "label_quality",
    "How likely each given label is right, judged by models that did not learn from it. No row for labels of classes"
    " with fewer labels than `labels.n_folds`.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column(
            "label_quality", pa.float32(), "the lower, the more likely the given label is wrong; an order, no share"
        ),
        Column(
            "is_doubtful",
            pa.bool_(),
            "true for the lowest whose suggested label is another, as many as seem to be wrong in all",
        ),
        Column("suggested_label", pa.string(), "the most probable class by a model that did not see the label"),
        Column("suggested_probability", pa.float32(), "what that model says of it", minimum=0, maximum=1),
    ),
    ("sample_id",),
)

LABEL_CHECKS = Table(
    "label_checks",
    "How likely each given label is right by the methods of `labels.checks.methods`, and by what a training job"
    " recorded of it, the file `labels.checks.dynamics`. Windrow has no row for labels of classes with fewer labels"
    " than `labels.n_folds`, a training job none for samples and classes that its file does not name.",
    (
        Column("sample_id", pa.string(), "the sample", references=("samples", "sample_id")),
        Column("method", pa.string(), "how"),
        Column(
            "source",
            pa.string(),
            "whose model it is: windrow, or training, of the job that wrote the file",
            one_of=("windrow", "training"),
        ),
        Column("score", pa.float32(), "the lower, the more likely the given label is wrong; each method has its scale"),
        Column(
            "is_doubtful",
            pa.bool_(),
            "the method's verdict, Windrow's own on no more labels than `label_quality` doubts; null for"
            " self_confidence, normalised_margin, weighted_entropy, el2n, forgetting and grand, which give none, and"
            " for aum of a training job",
            nullable=True,
        ),
    ),
    ("sample_id", "method", "source"),
)
