"""Clustering: hierarchical k-means with resampling over the pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from windrow.schemas import ASSIGNMENTS, CLUSTERS
from windrow.tasks.algorithms.hierarchy import Hierarchy, hierarchical_kmeans
from windrow.tasks.algorithms.kmeans import Iteration
from windrow.tasks.algorithms.level_settings import half_mean_sizes, propose_levels
from windrow.tasks.algorithms.points import Resources
from windrow.tasks.storage.outputs import (
    Done,
    OutputWriter,
    content_fingerprint,
    make_output,
    open_output,
    temporary_directory,
)
from windrow.tasks.storage.parquet import array_to_vectors
from windrow.tasks.storage.pool_file import PoolFile, write_pool
from windrow.tasks.storage.rounds import RoundFiles
from windrow.tasks.storage.scratch import scratch_files

VERSION = 2
LEAST_MEMORY_GB = 0.5
AT_ONCE = 2**16  # rows of a table that are made at once: whole groups of the Parquet files


@dataclass(frozen=True)
class ClusteringConfig:
    """Hierarchical k-means (Vo et al. 2024, arXiv 2405.15613).

    `n_clusters`: clusters of each level, finest first, strictly decreasing; empty lets the size of the pool decide.
    `n_resamples`: members that a resampling round takes from each cluster, one number a level; empty likewise.
    `n_rounds`: resampling rounds of each level, 0 for plain k-means. `n_iters`: Lloyd iterations at most.
    `sampling`: which members a round takes, the closest to the centroid or any. `normalize`: cluster directions
    (vectors of length one) rather than raw embeddings, which the paper does: on the pooled features of a
    convolutional network, lengths made a few clusters of most of the pool.

    `memory_gb`: roughly what clustering may use; a pool that needs more is read from disk again in each iteration.
    `device`: 'cpu', or a torch device such as 'cuda'. Neither changes the clusters.
    """

    n_clusters: tuple[int, ...] = ()
    n_resamples: tuple[int, ...] = ()
    n_rounds: int = 10
    n_iters: int = 50
    sampling: Literal["closest", "uniform"] = "closest"
    normalize: bool = True
    memory_gb: float = 4.0
    device: str = "cpu"

    def __post_init__(self) -> None:
        levels = list(self.n_clusters)
        if any(k < 1 for k in levels) or levels != sorted(set(levels), reverse=True):
            raise ValueError(f"clustering.n_clusters: wants strictly decreasing numbers, finest first, got {levels}")
        if self.n_resamples and len(self.n_resamples) != len(levels):
            raise ValueError(
                f"clustering.n_resamples: wants one number for each of the {len(levels)} levels, got {self.n_resamples}"
            )
        if min(self.n_resamples, default=1) < 1:
            raise ValueError(f"clustering.n_resamples: wants 1 or more, got {self.n_resamples}")
        if self.n_rounds < 0 or self.n_iters < 1:
            raise ValueError(f"clustering: n_rounds {self.n_rounds} and n_iters {self.n_iters} are out of range")
        if self.memory_gb < LEAST_MEMORY_GB:
            raise ValueError(f"clustering.memory_gb: wants at least {LEAST_MEMORY_GB}, got {self.memory_gb}")
        if self.sampling not in ("closest", "uniform"):
            raise ValueError(f"clustering.sampling: wants 'closest' or 'uniform', got {self.sampling!r}")


def cluster_pool(
    store: Path,
    features: Sequence[str],
    config: ClusteringConfig,
    seed: int,
    progress: Callable[[str], None] | None = None,
) -> Done:
    """Write CLUSTERS and ASSIGNMENTS of the pool; its size decides the levels where the config leaves them open.

    progress is called with a line of text for every round and iteration.
    """
    outputs = [open_output(store / path) for path in features]

    def write(writer: OutputWriter) -> None:
        memory = int(config.memory_gb * 2**30)
        with temporary_directory(writer.path.parent) as folder:
            pool = write_pool(outputs, folder, unit=config.normalize, memory=memory // 4)
            n_clusters, n_resamples = levels_for(config, len(pool.vectors))
            hierarchy = hierarchical_kmeans(
                pool.vectors,
                n_clusters,
                n_resamples=n_resamples,
                n_rounds=config.n_rounds,
                n_iters=config.n_iters,
                sampling=config.sampling,
                seed=seed,
                resources=Resources(config.device, memory=memory, scratch=scratch_files(folder, memory // 8)),
                checkpoints=RoundFiles(writer.work),
                progress=progress,
                iterations=_told(progress),
            )
            write_clusters(writer, hierarchy)
            write_assignments(writer, hierarchy, pool)
            writer.counts.update(n_samples=len(pool.vectors), n_levels=len(hierarchy.levels))

    inputs = {
        "embeddings": content_fingerprint(outputs),
        "config": {name: value for name, value in asdict(config).items() if name not in ("memory_gb", "device")},
        "seed": seed,
    }
    return make_output(store, "cluster", VERSION, inputs, write)


def _told(progress: Callable[[str], None] | None) -> Callable[[Iteration], None] | None:
    if progress is None:
        return None
    return lambda step: progress(f"iteration {step.number}: {step.n_changed:,} changed their cluster")


def levels_for(config: ClusteringConfig, n: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Clusters and members of a resampling round for each level, where the config leaves them to the pool's size."""
    if not config.n_clusters:
        proposed = propose_levels(n)
        return proposed.n_clusters, proposed.n_resamples
    return config.n_clusters, config.n_resamples or half_mean_sizes(n, config.n_clusters)


def write_clusters(writer: OutputWriter, hierarchy: Hierarchy) -> None:
    """Write CLUSTERS of a hierarchy, level by level."""
    dim = hierarchy.levels[0].centroids.shape[1]
    with writer.writing(CLUSTERS, CLUSTERS.schema(dim)) as add:
        for number, level in enumerate(hierarchy.levels):
            for start in range(0, len(level.centroids), AT_ONCE):
                add(_clusters(hierarchy, number, slice(start, min(start + AT_ONCE, len(level.centroids)))))


def _clusters(hierarchy: Hierarchy, number: int, rows: slice) -> pa.Table:
    level = hierarchy.levels[number]
    is_top = number + 1 == len(hierarchy.levels)
    k = rows.stop - rows.start
    columns = {
        "level": pa.array(np.full(k, number + 1), pa.int32()),
        "cluster_id": pa.array(np.arange(rows.start, rows.stop), pa.int32()),
        "parent_id": pa.nulls(k, pa.int32())
        if is_top
        else pa.array(hierarchy.levels[number + 1].assignment[rows], pa.int32()),
        "n_samples": level.n_samples[rows],
        "n_members": level.sizes[rows],
        "mean_distance": pa.array(level.mean_distance[rows], pa.float32()),
        "centroid": array_to_vectors(level.centroids[rows]),
    }
    return CLUSTERS.build(columns, dim=level.centroids.shape[1])


def write_assignments(writer: OutputWriter, hierarchy: Hierarchy, pool: PoolFile) -> None:
    """Write ASSIGNMENTS of a pool's samples."""
    n = len(pool.vectors)
    with writer.writing(ASSIGNMENTS, ASSIGNMENTS.schema()) as add:
        for start in range(0, n, AT_ONCE):
            rows = slice(start, min(start + AT_ONCE, n))
            columns = {
                "sample_id": pool.sample_ids(rows),
                "cluster_path": array_to_vectors(hierarchy.paths[rows]).cast(pa.list_(pa.int32())),
                "distance": pa.array(hierarchy.distance[rows], pa.float32()),
            }
            add(ASSIGNMENTS.build(columns))
