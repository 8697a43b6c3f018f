"""Prefect tasks of pseudo-labelling: find the given labels, let each maker spread them, judge them, decide."""

from pathlib import Path

from prefect import task

from windrow.flows.prefect_tasks.retries import COMPUTE_TASK
from windrow.tasks.backbones import BackboneConfig
from windrow.tasks.executors import ExecutorConfig, open_executor
from windrow.tasks.labels import belonging_scores as belonging
from windrow.tasks.labels import labeling, predictions
from windrow.tasks.labels.checks import label_checks
from windrow.tasks.labels.given_labels import find_given
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.storage.store.outputs import Done


@task(name="given-labels", task_run_name="given labels", **COMPUTE_TASK)
def given_labels(store: Path, ingested: list[str], source: str) -> Done:
    """Find the labels that came with samples, or those of a file."""
    return find_given(store, ingested, source)


@task(name="predict-labels", task_run_name="{maker}", **COMPUTE_TASK)
def predict_labels(
    store: Path,
    stages: dict[str, list[str]],
    maker: str,
    config: LabelsConfig,
    backbone: BackboneConfig,
    seed: int,
    executor: ExecutorConfig,
) -> list[Done]:
    """Let one maker spread the given labels over the pool, in a worker."""
    work = predictions.predict_labels
    return [open_executor(executor).run(work, store, stages, maker, config, backbone, seed)]


@task(name="find-belonging", task_run_name="belonging", **COMPUTE_TASK)
def find_belonging(store: Path, stages: dict[str, list[str]], executor: ExecutorConfig) -> list[Done]:
    """Find which samples are of no labelled class, in a worker."""
    return [open_executor(executor).run(belonging.find_belonging, store, stages)]


@task(name="check-labels", task_run_name="check labels", **COMPUTE_TASK)
def check_labels(
    store: Path, stages: dict[str, list[str]], config: LabelsConfig, seed: int, executor: ExecutorConfig
) -> list[Done]:
    """Judge the given labels by models that did not learn from them, in a worker."""
    features, (neighbors,), (given,) = stages["features"], stages["neighbors"], stages["given_labels"]
    of_checks = (config.checks, config.n_folds, seed)
    return [open_executor(executor).run(label_checks.check_labels, store, features, neighbors, given, *of_checks)]


@task(name="decide-labels", task_run_name="decide labels", **COMPUTE_TASK)
def decide_labels(store: Path, stages: dict[str, list[str]], config: LabelsConfig, seed: int) -> Done:
    """Label the pool by its clusters, and by what the makers say together."""
    return labeling.decide_labels(store, stages, config, seed)
