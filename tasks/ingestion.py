"""Prefect tasks of ingestion: read shards, verify every sample, write occurrences."""

from pathlib import Path

from prefect import task

from windrow.tasks.executors import ExecutorConfig, open_executor
from windrow.tasks.retries import IO_TASK
from windrow.tasks.stages.ingest import IngestConfig, ingest_shards
from windrow.tasks.storage.outputs import Done
from windrow.tasks.storage.sources import SourceShard


@task(name="ingest-shards", tags=["windrow-io"], **IO_TASK)
def ingest_group(store: Path, shards: list[SourceShard], config: IngestConfig, executor: ExecutorConfig) -> list[Done]:
    """Ingest a group of shards in a worker."""
    return open_executor(executor).run(ingest_shards, store, shards, config)
