"""k-means with very many clusters, in two steps (Vo et al. 2024, arXiv 2405.15613, section 4): coarse, then each split.

Comparing n points with k centroids costs n k; k / FAN_OUT coarse clusters, each split for itself, cost n k / FAN_OUT +
n FAN_OUT. The paper's web run made 10 million clusters of 743 million images as 100,000, each in 100.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import Float32Array
from windrow.tasks.algorithms.clustering.kmeans import Iteration, kmeans
from windrow.tasks.algorithms.clustering.points import Points, Resources, Taken
from windrow.tasks.algorithms.selection.ranking import balanced_shares

FAN_OUT = 100


def split_kmeans(
    points: Points,
    n_clusters: int,
    *,
    seed: int,
    n_iters: int = 50,
    resources: Resources | None = None,
    progress: Callable[[Iteration], None] | None = None,
) -> Float32Array:
    """Centroids, float32 (k, d): those of a coarse cluster lie together, in the coarse clusters' order.

    points: float16 or float32 (n, d). Every coarse cluster is split into equally many, as far as it has as many points.
    progress hears of the coarse k-means. Fewer than n_clusters come back when points coincide.
    """
    resources = resources or Resources()
    n_coarse = -(-n_clusters // FAN_OUT)
    coarse = kmeans(points, n_coarse, seed=seed, n_iters=n_iters, resources=resources, progress=progress)
    sizes = np.bincount(coarse.assignment)
    order = np.argsort(coarse.assignment, kind="stable")
    members = np.split(order, np.cumsum(sizes)[:-1])
    shares = balanced_shares(sizes, n_clusters)
    one = resources.one_of_many()

    def split(number: int) -> Float32Array:
        own_seed = int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0])
        part = Taken(points, members[number])
        return kmeans(part, int(shares[number]), seed=own_seed, n_iters=n_iters, resources=one).centroids

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(resources.n_threads) as threads:
        return np.concatenate(list(threads.map(split, np.flatnonzero(shares))))
