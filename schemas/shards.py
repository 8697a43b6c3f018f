"""The shards that were ingested."""

import pyarrow as pa

from windrow.schemas.table import Column, Table

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
