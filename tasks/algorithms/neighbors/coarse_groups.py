"""A few coarse clusterings of a pool, for scores of what it is not about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array, row_blocks, unit_rows
from windrow.tasks.algorithms.clustering.kmeans import kmeans

COARSE = (15, 30, 60)
"""Clusters of each: a group of strangers is a cluster of its own in some, in others not."""
LEAST_SAMPLES = 10 * COARSE[-1]
MOST_FITTED = 20_000
MORE_CLUSTERS = 10


@dataclass(frozen=True)
class CoarseGroups:
    """A coarse clustering of all samples of a pool (n, d).

    centroids: unit rows (k, d); group: int64 (n,), each sample's nearest centroid; sums: (k, d), exact, of the unit
    rows of each group; far: (n,), 1 - mean cosine of each sample to the MORE_CLUSTERS nearest centroids that are not
    its own.
    """

    centroids: Float64Array
    group: Int64Array
    sums: Float64Array
    far: Float64Array


def coarse_groups(embeddings: npt.NDArray[Any], seed: int = 0) -> list[CoarseGroups]:
    """The groups of embeddings (n, d) by each of their `coarse_centroids`; none of too small a pool."""
    n, clusterings = len(embeddings), coarse_centroids(embeddings, seed)
    found = [CoarseGroups(each, np.empty(n, np.int64), np.zeros(each.shape), np.empty(n)) for each in clusterings]
    for block in row_blocks(n) if found else []:
        units, _ = unit_rows(embeddings[block])
        for each in found:
            similarity = units @ each.centroids.T
            own = similarity.argmax(axis=1)
            similarity[np.arange(len(own)), own] = -np.inf
            each.group[block] = own
            each.sums[:] += (np.arange(len(each.sums))[:, None] == own).astype(np.float64) @ units
            each.far[block] = 1 + lowest(-similarity, MORE_CLUSTERS).mean(axis=1)
    return found


def lowest(values: Float64Array, n: int) -> Float64Array:
    """The n lowest of each row of values (m, k), ascending: all of them where k is no more."""
    few = np.partition(values, n - 1, axis=1)[:, :n] if n < values.shape[1] else values
    return np.sort(few, axis=1)


def coarse_centroids(embeddings: npt.NDArray[Any], seed: int = 0) -> list[Float64Array]:
    """Centroids, unit rows (k, d), of k-means with each of COARSE on embeddings (n, d); none of too small a pool.

    A pool wants LEAST_SAMPLES. They are fitted on at most MOST_FITTED samples, evenly over the rows; permuting the rows
    may change them as any start of k-means does.
    """
    n = len(embeddings)
    if n < LEAST_SAMPLES:
        return []
    fitted = np.arange(min(n, MOST_FITTED)) * n // min(n, MOST_FITTED)
    points = unit_rows(embeddings[fitted])[0].astype(np.float32)
    return [unit_rows(kmeans(points, k, seed=seed, n_iters=15).centroids)[0] for k in COARSE]
