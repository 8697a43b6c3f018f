"""Prefect tasks of feature extraction: fit the default backbone, say what a backbone is, embed shards."""

from pathlib import Path

from prefect import task

from windrow.flows.prefect_tasks.retries import COMPUTE_TASK, IO_TASK
from windrow.tasks.backbones import BackboneConfig
from windrow.tasks.executors import ExecutorConfig, open_executor
from windrow.tasks.features import extraction as features
from windrow.tasks.storage.store.outputs import Done

# `prefect concurrency-limit create windrow-features N` bounds how many groups are embedded at once: one a GPU.
TAG = "windrow-features"


@task(name="fit-backbone", task_run_name="fit {config.name}", **IO_TASK)
def fit_backbone(
    store: Path, ingested: list[str], config: BackboneConfig, seed: int, executor: ExecutorConfig
) -> Done | None:
    """Fit the default backbone on a sample of the pool, once for a store."""
    return open_executor(executor).run(features.fit_backbone, store, ingested, config, seed)


@task(name="identify-backbone", task_run_name="identify {config.name}", **COMPUTE_TASK)
def identify_backbone(
    config: BackboneConfig, weights: Path | None, executor: ExecutorConfig
) -> features.BackboneIdentity:
    """Load a backbone in a worker and say what it is."""
    return open_executor(executor).run(features.identify_backbone, config, weights)


@task(name="extract-features", tags=[TAG], **IO_TASK)
def extract_group(
    store: Path,
    ingested: list[str],
    config: BackboneConfig,
    weights: Path | None,
    backbone: features.BackboneIdentity,
    executor: ExecutorConfig,
) -> list[Done]:
    """Embed a group of shards in a worker."""
    return open_executor(executor).run(features.extract_shards, store, ingested, config, weights, backbone)
