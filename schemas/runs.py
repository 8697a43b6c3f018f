"""What was run, how long it took, and which versions were published."""

import pyarrow as pa

from windrow.schemas.table import Column, Table

RUNS = Table(
    "runs",
    "One row for each run of the pipeline over this store.",
    (
        Column("run_id", pa.string(), "its number, time of the start and a fingerprint of the config"),
        Column("number", pa.int64(), "place among the runs of the store, whatever clocks said", minimum=0),
        Column("name", pa.string(), "name of the curated set"),
        Column(
            "status",
            pa.string(),
            "how it ended; killed: its process is gone; withdrawn: a take-down removed its outputs",
            one_of=("running", "finished", "partial", "failed", "killed", "withdrawn"),
        ),
        Column("started_at", pa.timestamp("us", "UTC"), "start"),
        Column("finished_at", pa.timestamp("us", "UTC"), "end", nullable=True),
        Column("code_version", pa.string(), "version of windrow"),
        Column("config", pa.string(), "the config, as JSON"),
        Column("error", pa.string(), "why it failed", nullable=True),
        Column("warning", pa.string(), "why it has no report, though it finished", nullable=True),
    ),
    ("run_id",),
)

STAGES = Table(
    "stages",
    "One row for each stage of each run: what it took and how much it found already done.",
    (
        Column("run_id", pa.string(), "the run", references=("runs", "run_id")),
        Column("stage", pa.string(), "the stage"),
        Column("seconds", pa.float64(), "wall-clock time", minimum=0),
        Column("n_outputs", pa.int64(), "outputs of the stage (one a shard, or one)", minimum=0),
        Column("n_found", pa.int64(), "of these, outputs found already done", minimum=0),
        Column("n_samples", pa.int64(), "samples that went through", minimum=0),
    ),
    ("run_id", "stage"),
)

EXPORTS = Table(
    "exports",
    "One row for each version of each curated set.",
    (
        Column("name", pa.string(), "name of the curated set"),
        Column("version", pa.string(), "v0001, v0002, ...: immutable"),
        Column("fingerprint", pa.string(), "of its content and export config: equal fingerprints, equal bytes"),
        Column("n_samples", pa.int64(), "samples in it", minimum=0),
        Column("n_shards", pa.int64(), "WebDataset shards in it", minimum=0),
        Column("n_bytes", pa.int64(), "size on disk", minimum=0),
        Column("path", pa.string(), "folder, relative to the store"),
    ),
    ("name", "version"),
)
