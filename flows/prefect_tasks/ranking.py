"""Prefect task of ranking."""

from pathlib import Path

from prefect import task

from windrow.flows.prefect_tasks.retries import COMPUTE_TASK
from windrow.tasks.selection.pool_ranking import rank_pool
from windrow.tasks.selection.selection_config import SelectionConfig
from windrow.tasks.storage.store.outputs import Done


@task(name="rank", task_run_name="rank", **COMPUTE_TASK)
def rank(store: Path, stages: dict[str, list[str]], config: SelectionConfig, seed: int) -> Done:
    """Filter the pool, drop near-duplicates and rank what is left."""
    return rank_pool(store, stages, config, seed)
