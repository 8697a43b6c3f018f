"""Groups of samples that the pool is not about: far from the rest, and such as the encoder hardly answers to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, row_blocks, unit_rows
from windrow.tasks.algorithms.clustering.kmeans import kmeans
from windrow.tasks.algorithms.neighbors.outliers import COARSE, LEAST_SAMPLES, MOST_FITTED

NORMAL = 1.4826
"""A normal distribution's standard deviation over its median absolute deviation."""


def foreign_score(embeddings: npt.NDArray[Any], seed: int = 0) -> Float32Array | None:
    """By how many deviations of the pool a sample's group belongs nowhere, (n,), from 0, by two judges who must agree.

    embeddings: (n, d), as the encoder gave them: their norm counts. How far is the group's centroid, by mean cosine
    distance, from the samples of all other groups? And how little does the encoder answer to the group, by the
    logarithm of the norm (Park et al. 2023, Understanding the feature norm for out-of-distribution detection)? Either
    alone finds rare classes, too. Both are told in robust deviations (from the median, by the median absolute one), so
    that a pool without such groups has none above a threshold, where a rank would always have a first; the lower of
    the two counts, in the mean over k-means with COARSE numbers of clusters. It finds groups, no single stranger.
    Of an encoder whose norms are all alike all are 0. docs/evidence/detection.md tells what it finds.

    None for fewer than LEAST_SAMPLES samples. Clusters are fitted on at most MOST_FITTED samples, evenly over the rows.
    """
    n = len(embeddings)
    if n < LEAST_SAMPLES:
        return None
    fitted = np.arange(min(n, MOST_FITTED)) * n // min(n, MOST_FITTED)
    points = unit_rows(embeddings[fitted])[0].astype(np.float32)
    centroids = [unit_rows(kmeans(points, k, seed=seed, n_iters=15).centroids)[0] for k in COARSE]
    groups, sums, faint = _groups(embeddings, centroids)
    agreed = np.zeros(n)
    for of_sample, of_group in zip(groups, sums, strict=True):
        sizes = np.bincount(of_sample, minlength=len(of_group))
        apart = deviations(_distance_to_others(of_group, sizes)[of_sample])
        unanswered = np.bincount(of_sample, faint, minlength=len(sizes)) / np.maximum(sizes, 1)
        agreed += np.minimum(apart, unanswered[of_sample])
    return np.asarray(np.maximum(agreed / len(COARSE), 0), np.float32)


def deviations(values: Float64Array) -> Float64Array:
    """How many robust deviations each of values (n,) lies above the median; 0 where half of them are alike."""
    above = values - np.median(values)
    wide = NORMAL * np.median(np.abs(above))
    return np.asarray(above / wide if wide > 1e-9 else np.zeros(len(values)))


def _groups(
    embeddings: npt.NDArray[Any], centroids: list[Float64Array]
) -> tuple[list[npt.NDArray[np.int64]], list[Float64Array], Float64Array]:
    """Of every clustering the nearest centroid (n,) of each sample and the sums (k, d) of unit rows; how faint (n,)."""
    groups = [np.empty(len(embeddings), np.int64) for _ in centroids]
    sums, logs = [np.zeros(each.shape) for each in centroids], np.empty(len(embeddings))
    for block in row_blocks(len(embeddings)):
        units, norms = unit_rows(embeddings[block])
        logs[block] = np.log(np.maximum(norms, np.finfo(np.float32).tiny))
        for group, total, each in zip(groups, sums, centroids, strict=True):
            group[block] = (units @ each.T).argmax(axis=1)
            np.add.at(total, group[block], units)
    return groups, sums, deviations(-logs)


def _distance_to_others(sums: Float64Array, sizes: npt.NDArray[np.int64]) -> Float64Array:
    """1 - mean cosine (k,) of each group's centroid to the samples of all other groups."""
    centroids = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    shared = centroids @ sums.sum(axis=0) - (centroids * sums).sum(axis=1)
    return np.asarray(1 - shared / np.maximum(sizes.sum() - sizes, 1))
