"""Clustering: hierarchical k-means with resampling over the pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from windrow.schemas import ASSIGNMENTS, CLUSTERS, DRIFT
from windrow.tasks.algorithms.arrays import Float32Array
from windrow.tasks.algorithms.clustering.hierarchy import Hierarchy, hierarchical_kmeans
from windrow.tasks.algorithms.clustering.kmeans import Iteration
from windrow.tasks.algorithms.clustering.level_settings import half_mean_sizes, propose_levels
from windrow.tasks.algorithms.clustering.points import Points, Resources
from windrow.tasks.clusters.clustering_config import STAGE, ClusteringConfig
from windrow.tasks.clusters.incremental import go_on, has_tree
from windrow.tasks.storage.files.parquet import array_to_vectors
from windrow.tasks.storage.files.scratch import scratch_files
from windrow.tasks.storage.files.whole_or_absent import temporary_directory
from windrow.tasks.storage.memory_budget import memory_budget
from windrow.tasks.storage.store.outputs import Done, OutputWriter, content_fingerprint, make_output, open_output
from windrow.tasks.storage.store.pool_file import PoolFile, write_pool
from windrow.tasks.storage.store.rounds import RoundFiles

VERSION = 3
REFIT_ROUNDS = 1  # from an earlier tree: more balanced no better, and moved more samples (measured on digits)
AT_ONCE = 2**16  # rows of a table that are made at once: whole groups of the Parquet files


def cluster_pool(
    store: Path,
    features: Sequence[str],
    config: ClusteringConfig,
    seed: int,
    progress: Callable[[str], None] | None = None,
    before: str | None = None,
) -> Done:
    """Write CLUSTERS, ASSIGNMENTS and DRIFT of the pool; its size decides the levels where the config leaves them open.

    progress is called with a line of text for every round and iteration. before: an output of this stage for an earlier
    pool with the same settings and backbone, whose clusters go on as `config.refit` says while they are there.
    """
    outputs = [open_output(store / path) for path in features]
    goes_on = before is not None and config.refit != "always" and has_tree(store, before)
    earlier = open_output(store / before) if before and goes_on else None
    if before and earlier and earlier.inputs["embeddings"] == content_fingerprint(outputs):
        return Done(before, True, earlier.counts)

    def write(writer: OutputWriter) -> None:
        memory = memory_budget() if config.memory_gb is None else int(config.memory_gb * 2**30)
        with temporary_directory(writer.path.parent) as folder:
            pool = write_pool(outputs, folder, unit=config.normalize, memory=memory // 4)
            resources = Resources(config.device, memory=memory, scratch=scratch_files(folder, memory // 8))
            fit = partial(_fit, pool.vectors, config, seed, resources, RoundFiles(writer.work), progress)
            drift: list[dict[str, Any]] = []
            if earlier is None:
                hierarchy = fit(*levels_for(config, len(pool.vectors)))
            else:
                hierarchy, drift = go_on(store, earlier, pool, fit, config, resources)
            write_clusters(writer, hierarchy)
            write_assignments(writer, hierarchy, pool)
            writer.write(DRIFT, DRIFT.build({name: [row[name] for row in drift] for name in DRIFT.schema().names}))
            writer.counts.update(n_samples=len(pool.vectors), n_levels=len(hierarchy.levels))

    inputs = {
        "embeddings": content_fingerprint(outputs),
        "config": {name: value for name, value in asdict(config).items() if name not in ("memory_gb", "device")},
        "seed": seed,
        "earlier": str(earlier.path.relative_to(store)) if earlier else None,
    }
    return make_output(store, STAGE, VERSION, inputs, write)


def _fit(
    points: Points,
    config: ClusteringConfig,
    seed: int,
    resources: Resources,
    rounds: RoundFiles,
    progress: Callable[[str], None] | None,
    n_clusters: Sequence[int],
    n_resamples: Sequence[int],
    start: Sequence[Float32Array] | None = None,
) -> Hierarchy:
    """Cluster; `start` is an earlier tree's centroids to go on from."""
    return hierarchical_kmeans(
        points,
        n_clusters,
        n_resamples=n_resamples,
        n_rounds=config.n_rounds if start is None else REFIT_ROUNDS,
        n_iters=config.n_iters,
        sampling=config.sampling,
        seed=seed,
        start=start,
        resources=resources,
        checkpoints=rounds,
        progress=progress,
        iterations=_told(progress),
    )


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
        "inertia": level.cluster_inertia[rows],
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
