"""Groups of samples that the pool is not about: far from the rest, and such as the encoder hardly answers to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks, unit_rows

NORMAL = 1.4826
"""A normal distribution's standard deviation over its median absolute deviation."""
LEAST_SPREAD = 0.01
"""Of the norms' logarithms: below it the encoder makes them alike, and what differs is rounding."""


def foreign_score(embeddings: npt.NDArray[Any], clusterings: Sequence[Float64Array]) -> Float32Array:
    """By how many deviations of the pool a sample's group belongs nowhere, (n,), from 0, by two judges who must agree.

    embeddings: (n, d), as the encoder gave them: their norm counts. How far is the group's centroid, by mean cosine
    distance, from the samples of all other groups? And how little does the encoder answer to the group, by the
    logarithm of the norm (Park et al. 2023, Understanding the feature norm for out-of-distribution detection)? Either
    alone finds rare classes, too. Both are told in robust deviations (from the median, by the median absolute one), so
    that a pool without such groups has none above a threshold, where a rank would always have a first; the lower of
    the two counts, in the mean over the clusterings (`coarse_centroids`). It finds groups, no single stranger. Of an
    encoder whose norms are all alike, all are 0. docs/evidence/selection.md tells what it finds.
    """
    agreed, faint = np.zeros(len(embeddings)), deviations(-_log_norms(embeddings), LEAST_SPREAD)
    for centroids in clusterings:
        of_sample, sums = _groups(embeddings, centroids)
        sizes = np.bincount(of_sample, minlength=len(centroids))
        apart = deviations(_distance_to_others(sums, sizes)[of_sample])
        unanswered = np.bincount(of_sample, faint, minlength=len(sizes)) / np.maximum(sizes, 1)
        agreed += np.minimum(apart, unanswered[of_sample])
    return np.asarray(np.maximum(agreed / len(clusterings), 0), np.float32)


def deviations(values: Float64Array, least: float = 1e-9) -> Float64Array:
    """How many robust deviations each of values (n,) lies above the median; all 0 where one is less than `least`."""
    above = values - np.median(values)
    wide = NORMAL * np.median(np.abs(above))
    return np.asarray(above / wide if wide > least else np.zeros(len(values)))


def _log_norms(embeddings: npt.NDArray[Any]) -> Float64Array:
    norms = [unit_rows(embeddings[block])[1] for block in row_blocks(len(embeddings))]
    return np.asarray(np.log(np.maximum(np.concatenate(norms), np.finfo(np.float32).tiny)))


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
