"""Where each sample was seen, and the shards that it was seen in."""

import pyarrow as pa

from windrow.schemas.table import Column, Table

BYTE_OFFSET = Column(
    "byte_offset", pa.int64(), "first byte in the tar, that of the copy if there is one", nullable=True, minimum=0
)
BYTE_LENGTH = Column("byte_length", pa.int64(), "number of bytes", nullable=True, minimum=0)
COPY = Column(
    "copy", pa.string(), "tar in the store that holds a copy of the bytes; null: read in place", nullable=True
)
MEMBERS = Column(
    "members",
    pa.list_(
        pa.struct({"extension": pa.string(), "byte_offset": pa.int64(), "byte_length": pa.int64(), "path": pa.string()})
    ),
    "files that come with the sample (sidecars, masks), and where they lie: in its tar, or beside it under its name and"
    " their extension, or at a path of the source",
    nullable=True,
)

OCCURRENCES = Table(
    "occurrences",
    "One row for each place where a sample was seen; nothing that a source holds is missing here.",
    (
        Column("occurrence_id", pa.string(), "first 32 hex digits of SHA-256 of source_uri, shard and position"),
        Column(
            "sample_id", pa.string(), "first 32 hex digits of SHA-256 of the bytes; null when unread", nullable=True
        ),
        Column("source_uri", pa.string(), "the source as the config names it"),
        Column("kind", pa.string(), "how the bytes are stored", one_of=("file", "tar", "parquet", "url", "python")),
        Column("shard", pa.string(), "tar, Parquet file, first of the loose files or list#row, relative to the source"),
        Column("position", pa.int64(), "row, tar member or file number in the shard, from 0", minimum=0),
        Column("key", pa.string(), "path of a loose file, key of a tar member, path or row number in Parquet, URL"),
        Column("extension", pa.string(), "extension, lower case, without the dot", nullable=True),
        BYTE_OFFSET,
        BYTE_LENGTH,
        COPY,
        MEMBERS,
        Column("found_label", pa.string(), "label that came with the sample", nullable=True),
        Column(
            "label_from",
            pa.string(),
            "where that label stood, or was left empty: .cls, column label, metadata.csv, folder, ...",
            nullable=True,
        ),
        Column("caption", pa.string(), "text that came with the sample", nullable=True),
        Column("group", pa.string(), "samples of a group are never split", nullable=True),
        Column("license", pa.string(), "licence that came with the sample, as it is spelt there", nullable=True),
        Column(
            "spdx", pa.string(), "SPDX identifier of that licence; null when it is none that is known", nullable=True
        ),
        Column("author", pa.string(), "who made the sample, by what came with it", nullable=True),
        Column("source_url", pa.string(), "page or file on the web that it comes from, by that", nullable=True),
        Column("metadata", pa.string(), "other fields that came with the sample, as JSON", nullable=True),
        Column("unreadable", pa.string(), "why the sample cannot be used; null when it can", nullable=True),
    ),
    ("occurrence_id",),
)

SHARDS = Table(
    "shards",
    "One row for each shard of a source: a tar, a Parquet file, up to 2,048 loose files, or 1,000 rows of a list.",
    (
        Column("source_uri", pa.string(), "the source as the config names it"),
        Column("shard", pa.string(), "tar, Parquet file, first of the loose files or list#row, relative to the source"),
        Column("n_occurrences", pa.int64(), "occurrences found in it", minimum=0),
        Column("n_unreadable", pa.int64(), "occurrences that cannot be used", minimum=0),
        Column("ingested_at", pa.timestamp("us", "UTC"), "when it was read"),
        Column("seconds", pa.float64(), "time that reading and verifying took", minimum=0),
    ),
    ("source_uri", "shard"),
)

SOURCE_COLUMNS = Table(
    "source_columns",
    "One row for each column of each shard that is a table, or that a table names, whether it is read or not.",
    (
        Column("source_uri", pa.string(), "the source as the config names it"),
        Column("shard", pa.string(), "the shard"),
        Column("column", pa.string(), "name of the column, as the table spells it"),
    ),
    ("source_uri", "shard", "column"),
)
