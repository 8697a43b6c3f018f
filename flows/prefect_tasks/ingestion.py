"""Prefect tasks of ingestion: read shards, verify every sample, write occurrences."""

from pathlib import Path
from typing import Any

from prefect import task

from windrow.flows.prefect_tasks.retries import COMPUTE_TASK, IO_TASK
from windrow.tasks.executors import ExecutorConfig, open_executor
from windrow.tasks.ingest.hash_groups import group_hashes
from windrow.tasks.ingest.hashes_config import HashesConfig
from windrow.tasks.ingest.ingestion import IngestConfig, ingest_shards
from windrow.tasks.storage.store.outputs import Done


@task(name="ingest-shards", tags=["windrow-io"], **IO_TASK)
def ingest_group(store: Path, shards: Any, config: IngestConfig, executor: ExecutorConfig) -> list[Done]:
    """Ingest a group of shards in a worker. `shards` is a `quote` of a list, or Prefect would walk through it all."""
    return open_executor(executor).run(ingest_shards, store, shards, config)


@task(name="group-hashes", task_run_name="group hashes", **COMPUTE_TASK)
def hash_groups(store: Path, ingested: list[str], config: HashesConfig) -> Done:
    """Find the samples of the pool that look alike by their perceptual hash."""
    return group_hashes(store, ingested, config)
