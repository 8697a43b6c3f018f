"""How complex each cluster is: how far it lies from others, times how wide it is (Density-Based Pruning)."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.selection.grid_units import group_sums

BLOCK_ROWS = 512


def cluster_complexity(units: Float32Array, clusters: Int64Array, n_near: int) -> Float64Array:
    """d_inter times d_intra of each cluster, float64 (n_clusters,): Abbas et al. 2024 (arXiv 2401.04578), section 3.

    units: (n, dim), unit rows; clusters: (n,), each of 0 to n_clusters - 1 has a member. d_inter: mean cosine distance
    of the centroid, a unit vector, to the n_near nearest others (1 where there is no other). d_intra: mean cosine
    distance of the members to the centroid; as they are unit vectors, 1 - the length of their mean.
    2 n_clusters^2 dim flops, in blocks.
    """
    n_clusters = int(clusters.max(initial=-1)) + 1
    means = group_sums(units, clusters, n_clusters) / np.bincount(clusters, minlength=n_clusters)[:, None]
    lengths = np.sqrt((means * means).sum(axis=1))
    centroids = (means / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float32)
    distance = _distance_to_nearest(centroids, min(n_near, n_clusters - 1)) if n_clusters > 1 else np.ones(n_clusters)
    return np.asarray(distance * np.maximum(1 - lengths, 0))


def _distance_to_nearest(centroids: Float32Array, n_near: int) -> Float64Array:
    found = np.empty(len(centroids))
    for block in row_blocks(len(centroids), BLOCK_ROWS):
        similarity = centroids[block] @ centroids.T
        similarity[np.arange(len(similarity)), np.arange(len(centroids))[block]] = -np.inf
        nearest = np.partition(similarity, len(centroids) - n_near, axis=1)[:, len(centroids) - n_near :]
        found[block] = 1 - np.sort(nearest, axis=1).mean(axis=1, dtype=np.float64)
    return found
