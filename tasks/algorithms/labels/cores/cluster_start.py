"""Where clusterers start that refine clusters: k-means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, check_embeddings, row_blocks
from windrow.tasks.algorithms.clustering.kmeans import kmeans
from windrow.tasks.algorithms.labels.cores.standardisation import centred_units, pool_mean
from windrow.tasks.algorithms.labels.cores.text_similarity import zero_shot
from windrow.tasks.algorithms.labels.maker import SettingError

# An inverse temperature of cosines, SwAV's.
SHARPNESS = 10.0


@dataclass(frozen=True)
class ClusterStart:
    """units: float32 (n, d), the samples at length 1, less their mean and at length 1 again; centroids: float64
    (k, d), of k-means over them, the largest cluster first; shares: float32 (n, k), rows summing to 1."""

    units: Float32Array
    centroids: Float64Array
    shares: Float32Array

    def ordered(self, marginal: tuple[float, ...] | None) -> Float64Array | None:
        """A marginal in the order of the clusters, its largest share first. Raises SettingError for a wrong number."""
        if marginal is None:
            return None
        if len(marginal) != len(self.centroids):
            raise SettingError(f"marginal: wants a share for each of {len(self.centroids)} clusters, got {marginal}")
        return np.sort(np.array(marginal, dtype=np.float64))[::-1].copy()


def cluster_start(embeddings: npt.NDArray[Any], n_clusters: int, seed: int = 0) -> ClusterStart:
    """Soft clusters of embeddings (n, d): softmax(10 cosine) with k-means's centroids, the largest cluster first.

    Raises ValueError where the samples have fewer than n_clusters different directions.
    """
    check_embeddings("embeddings", embeddings)
    origin = pool_mean(embeddings)
    units = np.empty(embeddings.shape, dtype=np.float32)
    for rows in row_blocks(len(units)):
        units[rows] = centred_units(embeddings[rows], origin)
    found = kmeans(units, n_clusters, seed=seed)
    if len(found.centroids) < n_clusters:
        raise ValueError(f"n_clusters must be at most the {len(found.centroids)} different samples, got {n_clusters}")
    sizes = np.bincount(found.assignment, minlength=n_clusters)
    centroids = found.centroids[np.argsort(-sizes, kind="stable")].astype(np.float64)
    return ClusterStart(units, centroids, zero_shot(units, centroids, SHARPNESS))
