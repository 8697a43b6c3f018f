"""Groups of samples that the pool is not about: far from all the rest of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks, unit_rows

NORMAL = 1.4826
"""A normal distribution's standard deviation over its median absolute deviation."""


def foreign_score(embeddings: npt.NDArray[Any], clusterings: Sequence[Float64Array]) -> Float32Array:
    """By how many deviations a sample's group is farther from the pool than others are, float32 (n,), from 0.

    embeddings: (n, d). How far is the group's centroid, by mean cosine distance, from the samples of all other groups?
    Told in robust deviations (from the median sample's, by the median absolute one), so that a pool without such groups
    has none above a threshold, where a rank would always have a first; in the mean over the clusterings
    (`coarse_centroids`), which must agree: what is rare or odd inside a class is a group of its own in one, and not in
    all. It finds groups, no single stranger. docs/evidence/selection.md tells which.
    """
    apart = np.zeros(len(embeddings))
    for centroids in clusterings:
        of_sample, sums = _groups(embeddings, centroids)
        sizes = np.bincount(of_sample, minlength=len(centroids))
        apart += deviations(_distance_to_others(sums, sizes)[of_sample])
    return np.asarray(np.maximum(apart / len(clusterings), 0), np.float32)


def deviations(values: Float64Array) -> Float64Array:
    """How many robust deviations each of values (n,) lies above the median; 0 where half of them are alike."""
    above = values - np.median(values)
    wide = NORMAL * np.median(np.abs(above))
    return np.asarray(above / wide if wide > 1e-9 else np.zeros(len(values)))


def _groups(embeddings: npt.NDArray[Any], centroids: Float64Array) -> tuple[Int64Array, Float64Array]:
    """The nearest centroid (n,) of each sample, and of each (k, d) the sum of its samples' unit rows: exact."""
    group, sums = np.empty(len(embeddings), np.int64), np.zeros(centroids.shape)
    for block in row_blocks(len(embeddings)):
        units, _ = unit_rows(embeddings[block])
        group[block] = (units @ centroids.T).argmax(axis=1)
        sums += (np.arange(len(centroids))[:, None] == group[block]).astype(np.float64) @ units
    return group, sums


def _distance_to_others(sums: Float64Array, sizes: Int64Array) -> Float64Array:
    """1 - mean cosine (k,) of each group's centroid to the samples of all other groups."""
    centroids = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    shared = centroids @ sums.sum(axis=0) - (centroids * sums).sum(axis=1)
    return np.asarray(1 - shared / np.maximum(sizes.sum() - sizes, 1))
