"""Prefect tasks of clustering: the k-NN graph of the pool, and its hierarchy of clusters."""

from collections.abc import Callable
from pathlib import Path

from prefect import task

from windrow.flows.prefect_tasks.retries import COMPUTE_TASK
from windrow.tasks.clusters.clustering import cluster_pool
from windrow.tasks.clusters.clustering_config import ClusteringConfig
from windrow.tasks.clusters.neighbor_graph import find_neighbors
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.storage.store.outputs import Done


@task(name="find-neighbors", task_run_name="find neighbors", **COMPUTE_TASK)
def neighbors(store: Path, features: list[str], config: NeighborsConfig) -> Done:
    """Find the nearest samples of each sample."""
    return find_neighbors(store, features, config)


@task(name="cluster", task_run_name="cluster", **COMPUTE_TASK)
def cluster(
    store: Path,
    features: list[str],
    config: ClusteringConfig,
    seed: int,
    progress: Callable[[str], None],
    before: str | None,
) -> Done:
    """Cluster the pool hierarchically, or go on with the clusters of an earlier run."""
    return cluster_pool(store, features, config, seed, progress, before)
