"""Pools with one right answer, and Lloyd's algorithm with every distance: what k-means is compared with."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from windrow.tasks.algorithms.clustering.points import Resources

ONE = Resources(n_threads=1)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)[:, None]


def brute_force(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Every squared distance, in float64."""
    return np.square(points[:, None].astype(np.float64) - centroids.astype(np.float64)).sum(axis=2)


def lloyd(points: np.ndarray, centroids: np.ndarray, n_iters: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The twin of `kmeans` from given centroids: all distances, every time, in float64."""
    nearest = brute_force(points, centroids).argmin(axis=1)
    for number in range(n_iters):
        distance = np.sqrt(np.square(centroids[nearest] - points, dtype=np.float64).sum(axis=1)).astype(np.float32)
        farthest = [row for row in np.argsort(-distance, kind="stable") if distance[row] > 0]
        means = centroids.copy()
        for cluster in range(len(centroids)):
            members = points[nearest == cluster]
            if len(members):
                means[cluster] = members.mean(axis=0, dtype=np.float64)
            elif farthest:
                means[cluster] = points[farthest.pop(0)]
        if np.array_equal(means, centroids):
            return centroids, nearest, brute_force(points, centroids).min(axis=1), number
        centroids = means
        nearest = brute_force(points, centroids).argmin(axis=1)
    return centroids, nearest, brute_force(points, centroids).min(axis=1), n_iters


def random_pool(seed: int, n: int, d: int, kind: str) -> np.ndarray:
    """Points whose sums float64 holds exactly, so that there is one right answer: float16, or small whole numbers."""
    rng = np.random.default_rng(seed)
    if kind == "grid":
        return rng.integers(-3, 4, size=(n, d)).astype(np.float32)
    if kind == "far":
        return (rng.integers(-9, 10, size=(n, d)) + 100_000).astype(np.float32)
    centres = rng.normal(size=(1 + n // 12, d)) * 6
    points = (centres[rng.integers(0, len(centres), n)] + rng.normal(size=(n, d))).astype(np.float16)
    return points[rng.integers(0, n, n)] if kind == "duplicates" else points


POOLS = st.sampled_from(["mixture", "duplicates", "grid", "far"])


def pool(dtype: type = np.float16) -> np.ndarray:
    """4,000 points around 60 means."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(60, 6))[rng.integers(0, 60, 4000)] * 4 + rng.normal(size=(4000, 6))).astype(dtype)
