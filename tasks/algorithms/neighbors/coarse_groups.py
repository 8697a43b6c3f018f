"""A few coarse clusterings of a pool, for scores of what it is not about."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float64Array, unit_rows
from windrow.tasks.algorithms.clustering.kmeans import kmeans

COARSE = (15, 30, 60)
"""Clusters of each: a group of strangers is a cluster of its own in some, in others not."""
LEAST_SAMPLES = 10 * COARSE[-1]
MOST_FITTED = 20_000


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
