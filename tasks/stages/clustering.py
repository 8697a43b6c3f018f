"""Clustering: hierarchical k-means with resampling over the pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from windrow.schemas import ASSIGNMENTS, CLUSTERS
from windrow.tasks.algorithms.hierarchy import Hierarchy, half_mean_sizes, hierarchical_kmeans, propose_levels
from windrow.tasks.storage.outputs import Done, OutputWriter, content_fingerprint, make_output, open_output
from windrow.tasks.storage.parquet import array_to_vectors
from windrow.tasks.storage.pool import read_pool

VERSION = 1


@dataclass(frozen=True)
class ClusteringConfig:
    """Hierarchical k-means (Vo et al. 2024, arXiv 2405.15613).

    `n_clusters`: clusters of each level, finest first, strictly decreasing; empty lets the size of the pool decide.
    `n_resamples`: members that a resampling round takes from each cluster, one number a level; empty likewise.
    `n_rounds`: resampling rounds of each level, 0 for plain k-means. `n_iters`: Lloyd iterations at most.
    `sampling`: which members a round takes, the closest to the centroid or any. `normalize`: cluster directions
    (vectors of length one) rather than raw embeddings, which the paper does: on the pooled features of a
    convolutional network, lengths made a few clusters of most of the pool.
    """

    n_clusters: tuple[int, ...] = ()
    n_resamples: tuple[int, ...] = ()
    n_rounds: int = 10
    n_iters: int = 50
    sampling: Literal["closest", "uniform"] = "closest"
    normalize: bool = True

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
        if self.sampling not in ("closest", "uniform"):
            raise ValueError(f"clustering.sampling: wants 'closest' or 'uniform', got {self.sampling!r}")


def cluster_pool(
    store: Path,
    features: Sequence[str],
    config: ClusteringConfig,
    seed: int,
    progress: Callable[[str], None] | None = None,
) -> Done:
    """Write CLUSTERS and ASSIGNMENTS of the pool; its size decides the levels where the config leaves them open."""
    outputs = [open_output(store / path) for path in features]
    n_samples = sum(output.counts["n_samples"] - output.counts["n_errors"] for output in outputs)
    n_clusters, n_resamples = config.n_clusters, config.n_resamples
    if not n_clusters:
        n_clusters, n_resamples = propose_levels(n_samples)
    elif not n_resamples:
        n_resamples = half_mean_sizes(n_samples, n_clusters)

    def write(writer: OutputWriter) -> None:
        pool = read_pool(outputs)
        points = np.asarray(pool.embeddings, np.float32)
        if config.normalize:
            points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        hierarchy = hierarchical_kmeans(
            points,
            n_clusters,
            n_resamples=n_resamples,
            n_rounds=config.n_rounds,
            n_iters=config.n_iters,
            sampling=config.sampling,
            seed=seed,
            progress=progress,
        )
        writer.write(CLUSTERS, clusters_table(hierarchy))
        assignments = {
            "sample_id": pool.sample_ids,
            "cluster_path": array_to_vectors(hierarchy.paths).cast(pa.list_(pa.int32())),
            "distance": pa.array(hierarchy.distance, pa.float32()),
        }
        writer.write(ASSIGNMENTS, ASSIGNMENTS.build(assignments))
        writer.counts.update(n_samples=len(pool.sample_ids), n_levels=len(hierarchy.levels))

    inputs = {
        "embeddings": content_fingerprint(outputs),
        "config": config,
        "n_clusters": n_clusters,
        "n_resamples": n_resamples,
        "seed": seed,
    }
    return make_output(store, "cluster", VERSION, inputs, write)


def clusters_table(hierarchy: Hierarchy) -> pa.Table:
    """Return CLUSTERS of a hierarchy, level by level."""
    tables = [_level_table(hierarchy, number) for number in range(len(hierarchy.levels))]
    return pa.concat_tables(tables)


def _level_table(hierarchy: Hierarchy, number: int) -> pa.Table:
    level = hierarchy.levels[number]
    k, dim = level.centroids.shape
    is_top = number + 1 == len(hierarchy.levels)
    parents = pa.nulls(k, pa.int32()) if is_top else pa.array(hierarchy.levels[number + 1].assignment, pa.int32())
    distance = hierarchy.distance
    if number:
        members = hierarchy.levels[number - 1].centroids
        distance = np.linalg.norm(members - level.centroids[level.assignment], axis=1)
    columns = {
        "level": pa.array(np.full(k, number + 1), pa.int32()),
        "cluster_id": pa.array(np.arange(k), pa.int32()),
        "parent_id": parents,
        "n_samples": level.n_samples,
        "n_members": level.sizes,
        "mean_distance": pa.array(np.bincount(level.assignment, distance, k) / level.sizes, pa.float32()),
        "centroid": array_to_vectors(level.centroids),
    }
    return CLUSTERS.build(columns, dim=dim)
