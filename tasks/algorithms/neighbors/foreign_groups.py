"""Groups of samples that the pool is not about: far from all the rest of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.neighbors.coarse_groups import CoarseGroups

NORMAL = 1.4826
"""A normal distribution's standard deviation over its median absolute deviation."""


def foreign_score(groupings: Sequence[CoarseGroups]) -> Float32Array:
    """By how many deviations a sample's group is farther from the pool than others are, float32 (n,), from 0.

    How far is the group's centroid, by mean cosine distance, from the samples of all other groups?
    Told in robust deviations (from the median sample's, by the median absolute one), so that a pool without such groups
    has none above a threshold, where a rank would always have a first; in the mean over the pool's `coarse_groups`,
    which must agree: what is rare or odd inside a class is a group of its own in one, and not in all. It finds groups,
    no single stranger. docs/evidence/selection.md tells which.
    """
    apart = np.zeros(len(groupings[0].group))
    for each in groupings:
        sizes = np.bincount(each.group, minlength=len(each.centroids))
        apart += deviations(_distance_to_others(each.sums, sizes)[each.group])
    return np.asarray(np.maximum(apart / len(groupings), 0), np.float32)


def deviations(values: Float64Array) -> Float64Array:
    """How many robust deviations each of values (n,) lies above the median; 0 where half of them are alike."""
    above = values - np.median(values)
    wide = NORMAL * np.median(np.abs(above))
    return np.asarray(above / wide if wide > 1e-9 else np.zeros(len(values)))


def _distance_to_others(sums: Float64Array, sizes: Int64Array) -> Float64Array:
    """1 - mean cosine (k,) of each group's centroid to the samples of all other groups."""
    centroids = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    shared = centroids @ sums.sum(axis=0) - (centroids * sums).sum(axis=1)
    return np.asarray(1 - shared / np.maximum(sizes.sum() - sizes, 1))
