"""What goes into a version of a curated set: its plan, its samples with and without their bytes, and the gone."""

import pyarrow as pa

from windrow.schemas.occurrences import BYTE_LENGTH, BYTE_OFFSET, COPY, MEMBERS
from windrow.schemas.table import Column, Table

_SAMPLE = (
    Column("sample_id", pa.string(), "first 32 hex digits of SHA-256 of the bytes"),
    Column("sample_index", pa.int64(), "dense index, from 0, the same in every version", minimum=0),
    Column("rank", pa.int64(), "place in the ranking, from 1", minimum=1),
    Column("weight", pa.float64(), "inverse inclusion probability", minimum=0),
    Column("split", pa.string(), "train, ..."),
    Column("cluster_path", pa.list_(pa.int32()), "its cluster at each level, finest first"),
    Column("cluster", pa.int32(), "number of its coarsest cluster, or of that of `export.label_set`", nullable=True),
    Column("label", pa.string(), "pseudo-label; null when there is none or it abstained", nullable=True),
    Column("confidence", pa.float32(), "calibrated probability of the first class", True, minimum=0, maximum=1),
    Column("classes", pa.list_(pa.string()), "the most probable classes, most probable first", nullable=True),
    Column("probabilities", pa.list_(pa.float32()), "their probabilities", nullable=True),
    Column("abstained", pa.bool_(), "true when the confidence does not reach the policy's threshold", nullable=True),
    Column("given_label", pa.string(), "label that came with the sample", nullable=True),
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
)

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
    "the original bytes, and `<sample_id>.<extension>`",
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

DESCRIBED = tuple(column.name for column in _SAMPLE)
"""The columns of a sample that its `.json` in a WebDataset shard has."""

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
    "One row for each sample of a version, without its bytes: `samples.parquet` of every version.",
    (*_SAMPLE, TAR_OFFSET),
    ("sample_id",),
)

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
