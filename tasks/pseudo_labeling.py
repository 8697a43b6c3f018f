"""Prefect tasks of pseudo-labelling."""

from pathlib import Path

from prefect import task

from windrow.tasks.retries import COMPUTE_TASK
from windrow.tasks.stages import label_checks
from windrow.tasks.stages.label_checks_config import LabelChecksConfig
from windrow.tasks.stages.labeling import LabelsConfig, label_pool
from windrow.tasks.storage.outputs import Done


@task(name="pseudo-label", task_run_name="pseudo-label", **COMPUTE_TASK)
def pseudo_label(store: Path, stages: dict[str, list[str]], config: LabelsConfig, seed: int) -> Done:
    """Label the pool by its clusters, and by what a few given labels say."""
    return label_pool(store, stages, config, seed)


@task(name="check-labels", task_run_name="check-labels", **COMPUTE_TASK)
def check_labels(
    store: Path, features: list[str], neighbors: str, given: str, config: LabelChecksConfig, n_folds: int, seed: int
) -> Done:
    """Judge the given labels by models that did not learn from them."""
    return label_checks.check_labels(store, features, neighbors, given, config, n_folds, seed)
