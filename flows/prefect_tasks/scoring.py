"""Prefect task of scoring by models of the user's own."""

from pathlib import Path

from prefect import task

from windrow.flows.prefect_tasks.features import TAG
from windrow.flows.prefect_tasks.retries import IO_TASK
from windrow.tasks.executors import ExecutorConfig, open_executor
from windrow.tasks.features.model_scores import score_shards
from windrow.tasks.scorers import ScorerConfig
from windrow.tasks.storage.store.outputs import Done


@task(name="score-samples", tags=[TAG], **IO_TASK)
def score_group(store: Path, ingested: list[str], config: ScorerConfig, executor: ExecutorConfig) -> list[Done]:
    """Score a group of shards in a worker."""
    return open_executor(executor).run(score_shards, store, ingested, config)
