"""Gaussian naive Bayes from one mergeable pass over the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import softmax

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.label_makers import check_pool, labelled_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import GRID, check_embeddings, unit_rows

BLOCK = 8192
# Squares are kept to multiples of this: integers then hold the sums of 2^27 samples, and float64 those of a block.
SQUARE_GRID = 2.0**36
# Of the pool's largest variance; a constant dimension would otherwise divide by 0.
LEAST_VARIANCE = 1e-9

Prior = Literal["uniform", "labels"]


@dataclass(frozen=True)
class ClassMoments:
    """Of the unit-length embeddings of each class: how many, their sum and their sum of squares by dimension.

    counts: int64 (n_classes + 1,); sums: int64 (n_classes + 1, d), in units of 2^-26; squares: int64, same shape, in
    units of 2^-36. The last row is of the samples without a label: they count in the pool's variance. Integers add up
    exactly, so the moments of a pool do not depend on its shards or their order, up to 2^27 samples.
    """

    counts: Int64Array
    sums: Int64Array
    squares: Int64Array

    def __post_init__(self) -> None:
        if self.sums.ndim != 2 or self.sums.shape != self.squares.shape or self.counts.shape != self.sums.shape[:1]:
            shapes = f"{self.counts.shape}, {self.sums.shape} and {self.squares.shape}"
            raise ValueError(f"counts must be (n_classes + 1,), sums and squares (n_classes + 1, d), got {shapes}")

    def merge(self, other: ClassMoments) -> ClassMoments:
        """The moments of both pools together. Raises ValueError unless they agree in classes and dimensions."""
        if self.sums.shape != other.sums.shape:
            raise ValueError(f"other must have moments of shape {self.sums.shape}, got {other.sums.shape}")
        return ClassMoments(self.counts + other.counts, self.sums + other.sums, self.squares + other.squares)


@dataclass(frozen=True)
class GaussianNaiveBayes:
    """A fitted classifier: log p(class | x) = log prior + evidence sum_j log N(x_j; mean_cj, variance_cj) + constant.

    classes: int64 (c,) ascending; mean: float64 (c, d); variance: (1, d) if the classes share it, else (c, d);
    log_prior: (c,); evidence: what one dimension's log-likelihood counts.
    """

    classes: Int64Array
    n_classes: int
    mean: Float64Array
    variance: Float64Array
    log_prior: Float64Array
    evidence: float

    def predict_proba(self, embeddings: npt.NDArray[Any]) -> Float32Array:
        """Probabilities (m, n_classes) of embeddings (m, d), 0 for classes without labels, the same for any m."""
        units, _ = unit_rows(embeddings)
        scores = self._shared(units) if len(self.variance) == 1 else self._own(units)
        probabilities = np.zeros((len(embeddings), self.n_classes), dtype=np.float32)
        probabilities[:, self.classes] = softmax(self.log_prior + self.evidence * scores, axis=1)
        return probabilities

    def _shared(self, units: Float64Array) -> Float64Array:
        """Linear in x: x^2 / variance is the same for every class. The product is exact, see `unit_rows`."""
        slopes, lengths = unit_rows(self.mean / self.variance)
        return np.asarray((units @ slopes.T) * lengths - 0.5 * (self.mean**2 / self.variance).sum(axis=1))

    def _own(self, units: Float64Array) -> Float64Array:
        scores = np.empty((len(units), len(self.classes)))
        for column, (mean, variance) in enumerate(zip(self.mean, self.variance, strict=True)):
            scores[:, column] = -0.5 * (np.square(units - mean) / variance + np.log(variance)).sum(axis=1)
        return scores


def gaussian_naive_bayes(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    prior: Prior | Float64Array = "uniform",
    class_variances: bool = False,
    shrinkage: float = 10.0,
    n_effective: float = 30.0,
    rows: Int64Array | None = None,
) -> Float32Array:
    """Probabilities (n, n_classes) of the pool, or of these rows of it, by fit_gaussian_naive_bayes's classifier."""
    labelled_rows(labels, n_classes)
    moments = class_moments(embeddings, labels, n_classes)
    fitted = fit_gaussian_naive_bayes(moments, prior, class_variances, shrinkage, n_effective)
    wanted = np.arange(len(labels), dtype=np.int64) if rows is None else rows
    probabilities = np.empty((len(wanted), n_classes), dtype=np.float32)
    for start in range(0, len(wanted), BLOCK):
        probabilities[start : start + BLOCK] = fitted.predict_proba(embeddings[wanted[start : start + BLOCK]])
    return probabilities


def class_moments(embeddings: npt.NDArray[Any], labels: Int64Array, n_classes: int) -> ClassMoments:
    """The moments of a pool, or of a shard of it: embeddings (n, d), labels int64 (n,), -1 for none.

    A shard without a label is as good as another. Raises ValueError as `labelled_rows` does for labels out of range.
    """
    check_embeddings("embeddings", embeddings)
    check_pool(embeddings, labels)
    if (labels >= 0).any() or n_classes < 1 or labels.dtype != np.int64:
        labelled_rows(labels, n_classes)
    groups = np.where(labels < 0, n_classes, labels)
    sums = np.zeros((n_classes + 1, embeddings.shape[1]), dtype=np.int64)
    squares = np.zeros_like(sums)
    for start in range(0, len(labels), BLOCK):
        units, _ = unit_rows(embeddings[start : start + BLOCK])
        mine = groups[start : start + BLOCK]
        members = sparse.csr_array(
            (np.ones(len(mine)), mine, np.arange(len(mine) + 1)), shape=(len(mine), n_classes + 1)
        ).T.tocsr()
        sums += (members @ (units * GRID)).astype(np.int64)
        squares += (members @ np.rint(units * units * SQUARE_GRID)).astype(np.int64)
    return ClassMoments(np.bincount(groups, minlength=n_classes + 1), sums, squares)


def fit_gaussian_naive_bayes(
    moments: ClassMoments,
    prior: Prior | Float64Array = "uniform",
    class_variances: bool = False,
    shrinkage: float = 10.0,
    n_effective: float = 30.0,
) -> GaussianNaiveBayes:
    """Means and variances of the classes from moments of the pool (Zheng et al. 2023, Revisiting discriminative vs.
    generative classifiers, for the statistics; shrinkage and n_effective are ours).

    The variance within classes is shared by them, which makes the classifier linear, and shrunk to the pool's as if
    that were known from `shrinkage` more samples: with one label a class it is the pool's. class_variances: each class
    has its own, shrunk in the same way to the shared one. prior: 'uniform'; 'labels', the labels' frequencies; or
    float64 (n_classes,), positive where a class has labels. n_effective: how many independent dimensions the d
    correlated ones are worth as evidence; d or more is the textbook's rule, sure of everything. The label that it gives
    under a uniform prior is the same for any.
    """
    n_classes, d = len(moments.counts) - 1, moments.sums.shape[1]
    if not shrinkage > 0:
        raise ValueError(f"shrinkage must be positive, got {shrinkage}")
    if not n_effective > 0:
        raise ValueError(f"n_effective must be positive, got {n_effective}")
    counts = moments.counts[:-1]
    classes = np.flatnonzero(counts)
    if not len(classes):
        raise ValueError("moments must hold at least one labelled sample")
    log_prior = np.log(_prior(prior, counts, n_classes)[classes])
    mean = moments.sums[classes] / GRID / counts[classes, None]
    return GaussianNaiveBayes(
        classes, n_classes, mean, _variance(moments, classes, class_variances, shrinkage), log_prior,
        min(n_effective / d, 1.0),
    )  # fmt: skip


def _variance(moments: ClassMoments, classes: Int64Array, class_variances: bool, shrinkage: float) -> Float64Array:
    counts = moments.counts[classes, None]
    pool = _scatter(moments.counts.sum(), moments.sums.sum(axis=0), moments.squares.sum(axis=0)) / moments.counts.sum()
    within = _scatter(counts, moments.sums[classes], moments.squares[classes])
    free = counts.sum() - len(classes)
    least = LEAST_VARIANCE * max(float(pool.max()), np.finfo(np.float64).tiny / LEAST_VARIANCE)
    shared = np.maximum((within.sum(axis=0) + shrinkage * pool) / (free + shrinkage), least)
    if not class_variances:
        return np.asarray(shared[None])
    return np.asarray(np.maximum((within + shrinkage * shared) / (counts - 1 + shrinkage), least))


def _scatter(counts: Any, sums: Int64Array, squares: Int64Array) -> Float64Array:
    """Sum of squared differences to the mean; below 0 by rounding only."""
    wide = sums / GRID
    return np.asarray(np.maximum(squares / SQUARE_GRID - wide * wide / counts, 0.0))


def _prior(prior: Prior | Float64Array, counts: Int64Array, n_classes: int) -> Float64Array:
    if isinstance(prior, str):
        if prior not in ("uniform", "labels"):
            raise ValueError(f"prior must be 'uniform', 'labels' or an array, got {prior!r}")
        return np.full(n_classes, 1.0 / n_classes) if prior == "uniform" else np.asarray(counts / counts.sum())
    given = np.asarray(prior, dtype=np.float64)
    if given.shape != (n_classes,) or not np.isfinite(given).all() or given.min() < 0 or not given[counts > 0].all():
        raise ValueError(f"prior must be ({n_classes},), positive where a class has labels, got {given.tolist()}")
    return np.asarray(given / given.sum())
