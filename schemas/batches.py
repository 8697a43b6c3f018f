"""A plan of batches: which samples of a version a trainer sees together."""

import pyarrow as pa

from windrow.schemas.table import Column, Table

BATCHES = Table(
    "batches",
    "One row for each place in a batch: the `batches.parquet` that `windrow batches` writes beside a version.",
    (
        Column("batch", pa.int64(), "number of the batch, from 0", minimum=0),
        Column("slot", pa.int32(), "place in the batch, from 0", minimum=0),
        Column("sample_index", pa.int64(), "the sample's dense index; the same sample may come again", minimum=0),
        Column("sample_id", pa.string(), "the sample"),
    ),
    ("batch", "slot"),
)
