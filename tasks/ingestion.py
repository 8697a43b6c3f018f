"""Prefect tasks of ingestion: read shards, verify every sample, write occurrences."""

from pathlib import Path
from typing import Any

from prefect import task

from windrow.tasks.executors import ExecutorConfig, open_executor
from windrow.tasks.retries import IO_TASK
from windrow.tasks.stages.ingest import IngestConfig, ingest_shards
from windrow.tasks.storage.outputs import Done


@task(name="ingest-shards", tags=["windrow-io"], **IO_TASK)
def ingest_group(store: Path, shards: Any, config: IngestConfig, executor: ExecutorConfig) -> list[Done]:
    """Ingest a group of shards in a worker. `shards` is a `quote` of a list, or Prefect would walk through it all."""
    return open_executor(executor).run(ingest_shards, store, shards, config)
