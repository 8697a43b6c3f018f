"""What goes into a version of a curated set: its plan, its samples with and without their bytes, and the gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from windrow.schemas.occurrences import BYTE_LENGTH, BYTE_OFFSET, COPY, MEMBERS
from windrow.schemas.quality import QUALITY
from windrow.schemas.samples import MENDED
from windrow.schemas.scores import SCORES
from windrow.schemas.selection import REFERENCE_WEIGHTS
from windrow.schemas.table import Column, Table

REST_PROBABILITY = Column(
    "rest_probability",
    pa.float32(),
    "the probability that `classes` and `probabilities` leave to all other classes together",
    True,
    minimum=0,
    maximum=1,
)
LABELLED = (
    Column("label", pa.string(), "pseudo-label; null when there is none or it abstained", nullable=True),
    Column(
        "label_weight",
        pa.float32(),
        "what the label should weigh in training: 0 when abstained; null when there is none",
        True,
        minimum=0,
        maximum=1,
    ),
    Column("confidence", pa.float32(), "calibrated probability of the first class", True, minimum=0, maximum=1),
    Column("classes", pa.list_(pa.string()), "the most probable classes, most probable first", nullable=True),
    Column("probabilities", pa.list_(pa.float32()), "their probabilities", nullable=True),
    Column("abstained", pa.bool_(), "true when the confidence does not reach the policy's threshold", nullable=True),
    Column("annotator", pa.string(), "who says `label`: source, windrow, user or the names of people", nullable=True),
    REST_PROBABILITY,
    Column("agreement", pa.float32(), "share of the makers that find the same class", True, minimum=0, maximum=1),
    Column("possible", pa.list_(pa.string()), "every class that it may be (`labels.conformal`)", nullable=True),
    Column("left_out", pa.list_(pa.string()), "classes that a loss must leave out (policy exclude)", nullable=True),
)
"""What a label set says of a sample; null where it says nothing."""

_SAMPLE = (
    Column("sample_id", pa.string(), "first 32 hex digits of SHA-256 of the original bytes"),
    Column("sample_index", pa.int64(), "dense index, from 0, the same in every version", minimum=0),
    Column("rank", pa.int64(), "place in the ranking, from 1", minimum=1),
    Column(
        "sample_weight",
        pa.float64(),
        "inverse inclusion probability: sums of it estimate the pool; null when not selected",
        nullable=True,
        minimum=0,
    ),
    Column("split", pa.string(), "train, ..."),
    Column("cluster_path", pa.list_(pa.int32()), "its cluster at each level, finest first"),
    Column("cluster", pa.int32(), "number of its coarsest cluster, or of that of `export.label_set`", nullable=True),
    *LABELLED,
    Column("given_label", pa.string(), "label that came with the sample", nullable=True),
    Column("given_annotator", pa.string(), "who says that: source, user or the names of people", nullable=True),
    Column("label_quality", pa.float32(), "of the given label: the lower, the more likely it is wrong", nullable=True),
    Column("is_doubtful", pa.bool_(), "whether the given label seems to be wrong", nullable=True),
    Column("suggested_label", pa.string(), "what a model that did not see the given label says", nullable=True),
    Column("belonging", pa.float32(), "near 0: perhaps of no labelled class", True, minimum=0, maximum=1),
    Column("caption", pa.string(), "text that came with the sample", nullable=True),
    Column("metadata", pa.string(), "other fields that came with the sample, as JSON", nullable=True),
    Column("license", pa.string(), "SPDX identifier of its licence, or as it came where there is none", nullable=True),
    Column("author", pa.string(), "who made it, by what came with it", nullable=True),
    Column("source_url", pa.string(), "page or file on the web that it comes from, by that", nullable=True),
    Column("source_uri", pa.string(), "the source as the config names it"),
    Column("group_id", pa.string(), "samples of a group are in the same split"),
    Column("width", pa.int32(), "pixels, after EXIF orientation", minimum=1),
    Column("height", pa.int32(), "pixels, after EXIF orientation", minimum=1),
    Column("format", pa.string(), "image format (JPEG, PNG, ...)"),
    Column("n_bytes", pa.int64(), "size of the sample", minimum=1),
    MENDED,
)

SCORED = (
    Column("selected", pa.bool_(), "of the curated set: rank <= target_size"),
    Column("part", pa.string(), "`selection.parts` that it was ranked for", nullable=True),
    *(SCORES.column(name) for name in ("nearest_similarity", "outlier_score", "off_topic_score", "foreign_score")),
    Column("distance", pa.float32(), "to the centroid of its finest cluster", nullable=True),
    *(replace(QUALITY.column(name), nullable=True) for name in ("blur", "brightness", "contrast", "entropy", "phash")),
    *(replace(REFERENCE_WEIGHTS.column(name), nullable=True) for name in ("density_ratio", "is_alike")),
    Column("score_names", pa.list_(pa.string()), "of the models of `scores`: NAME.CLASS", nullable=True),
    Column("score_values", pa.list_(pa.float32()), "what these say", nullable=True),
)
"""What else is known of a candidate, by the names of the store's `pool`."""

STATED = (
    Column("present", pa.list_(pa.string()), "classes that it is of", nullable=True),
    Column("absent", pa.list_(pa.string()), "classes that it is not of; of all others nothing is known", nullable=True),
    Column(
        "present_probabilities",
        pa.list_(pa.float32()),
        "how probable each of `present` is, in its order: soft labels; 1 where it was given",
        nullable=True,
    ),
    Column(
        "absent_probabilities",
        pa.list_(pa.float32()),
        "how probable it is all the same that it is of each of `absent`; 0 where that was given",
        nullable=True,
    ),
)
"""What a version of samples that may be of several classes has of each."""

REST = "rest"
"""The split of the candidates that are not selected, in a version of all of them."""

_LOCATION = (
    Column("kind", pa.string(), "how the bytes are stored", one_of=("file", "tar", "parquet", "url", "python")),
    Column("shard", pa.string(), "tar or Parquet file, or folder of loose files, relative to the source"),
    Column("position", pa.int64(), "row, tar member or file number in the shard, from 0", minimum=0),
    Column("key", pa.string(), "name of the sample in its shard, without extension"),
    Column("extension", pa.string(), "extension in its shard, lower case, without the dot", nullable=True),
    BYTE_OFFSET,
    BYTE_LENGTH,
    COPY,
    MEMBERS,
)

# Hugging Face's layout of an image. The column may not be declared free of nulls, or `datasets` does not know it again.
_IMAGE = Column(
    "image",
    pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())]),
    "the original bytes, but for what `mended` says, and `<sample_id>.<extension>`",
    nullable=True,
)

LABEL_INDEX = Column(
    "label_index",
    pa.int64(),
    "number of the label's class: its name where all are numbers, else its place in `classes.txt`",
    nullable=True,
    minimum=0,
)

TAR_OFFSET = Column(
    "tar_offset",
    pa.int64(),
    "where the image's bytes begin in its WebDataset shard; null when there is none",
    nullable=True,
    minimum=0,
)

TAR = Column(
    "tar",
    pa.string(),
    "the WebDataset shard that it lies in, as the version's manifest names it; null when there is none",
    nullable=True,
)

DESCRIBED = tuple(column.name for column in _SAMPLE)
"""The columns of a sample that its `.json` in a WebDataset shard has, beside those of further label sets."""

EXPORT_PLAN = Table(
    "export_plan",
    "One row for each selected sample, by split and rank, with the place where its bytes are.",
    _SAMPLE + _LOCATION,
    ("sample_id",),
)

EXPORTED = Table(
    "exported",
    "One row for each sample of a version, with its bytes: the Parquet export.",
    (*_SAMPLE, LABEL_INDEX, _IMAGE),
    ("sample_id",),
)

EXPORTED_SAMPLES = Table(
    "exported_samples",
    "One row for each sample of a version, without its bytes: `samples.parquet` of every version, which has `tar` too.",
    (*_SAMPLE, TAR_OFFSET),
    ("sample_id",),
)


def with_tars(table: Table) -> Table:
    """One of these tables with TAR. Shards have their names when they are published; versions of before have none."""
    return replace(table, columns=(*table.columns, TAR))


CHANNELS = Table(
    "channels",
    "Colours of some samples of a shard, drawn by `sample_id` from each of its sources.",
    (
        Column("sample_id", pa.string(), "the sample"),
        Column("red", pa.float64(), "mean over its pixels, 0 to 1", minimum=0, maximum=1),
        Column("green", pa.float64(), "likewise", minimum=0, maximum=1),
        Column("blue", pa.float64(), "likewise", minimum=0, maximum=1),
    ),
    ("sample_id",),
)

GONE = Table(
    "gone",
    "Selected samples whose bytes could no longer be read when they were to be exported.",
    (
        Column("sample_id", pa.string(), "the sample"),
        Column("reason", pa.string(), "why its bytes cannot be read"),
    ),
    ("sample_id",),
)


@dataclass(frozen=True)
class Further:
    """What a version has of a sample beside the columns of every version.

    label_sets: what each says, LABELLED as `<label set>_<column>`; 'given' shares `given_label` and `given_annotator`
    with what every version has. scores: SCORED, of a version of all candidates. states: STATED, of a version of samples
    that may be of several classes.
    """

    label_sets: tuple[str, ...] = ()
    scores: bool = False
    states: bool = False

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Further:
        """That of a version."""
        config = manifest["config"]
        states = any("states" in told for told in manifest["label_sets"].values())
        return cls(tuple(config["label_sets"]), config["what"] == "pool", states)

    def columns(self) -> tuple[Column, ...]:
        """The further columns."""
        there = {column.name for column in EXPORT_PLAN.columns}
        said = [replace(column, name=f"{name}_{column.name}") for name in self.label_sets for column in LABELLED]
        scored = SCORED if self.scores else ()
        stated = STATED if self.states else ()
        return (*(column for column in said if column.name not in there), *scored, *stated)

    def added_to(self, table: Table) -> Table:
        """One of these tables with the further columns."""
        return replace(table, columns=(*table.columns, *self.columns()))

    def described(self) -> tuple[str, ...]:
        """DESCRIBED with the further columns."""
        return (*DESCRIBED, *(column.name for column in self.columns()))
