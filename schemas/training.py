"""What a training job is given, and what it says of the samples it learnt from."""

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

TRAINING_LOG = Table(
    "training_log",
    "One row for each sample of each step: the files that `windrow.TrainingLog` writes.",
    (
        Column("step", pa.int64(), "number of the step, from 0 over all epochs", minimum=0),
        Column("rank", pa.int32(), "the rank that took the step", minimum=0),
        Column("slot", pa.int32(), "place in the batch, from 0", minimum=0),
        Column("epoch", pa.int32(), "number of the epoch, from 0", minimum=0),
        Column("sample_index", pa.int64(), "the sample's dense index", minimum=0),
        Column("label", pa.string(), "the class that it was trained as", nullable=True),
        Column("loss", pa.float32(), "cross-entropy of that class; not finite where training diverged"),
        Column("margin", pa.float32(), "that class's logit less the largest other one"),
        Column("error_norm", pa.float32(), "length of the probabilities less the one-hot class, from 0 to sqrt(2)"),
    ),
    ("step", "rank", "slot"),
)
