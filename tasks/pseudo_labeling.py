"""Prefect task of pseudo-labelling."""

from pathlib import Path

from prefect import task

from windrow.tasks.retries import COMPUTE_TASK
from windrow.tasks.stages.labeling import LabelsConfig, label_pool
from windrow.tasks.storage.outputs import Done


@task(name="pseudo-label", task_run_name="pseudo-label", **COMPUTE_TASK)
def pseudo_label(store: Path, stages: dict[str, list[str]], config: LabelsConfig, seed: int) -> Done:
    """Label the pool by its clusters, and by what a few given labels say."""
    return label_pool(store, stages, config, seed)
