"""Gaussian naive Bayes from one mergeable pass over the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import (
    GRID,
    Float32Array,
    Float64Array,
    Int64Array,
    check_embeddings,
    row_blocks,
    unit_rows,
)
from windrow.tasks.algorithms.labels.folds import Predict, check_pool, labelled_rows
from windrow.tasks.algorithms.labels.maker import LabelPool, Maker, Positive
from windrow.tasks.algorithms.labels.probabilities import predict_rows

# Squares are kept to multiples of this: integers then hold the sums of 2^27 samples, and float64 those of a block.
SQUARE_GRID = 2.0**36
# Of the pool's largest variance; a constant dimension would otherwise divide by 0.
LEAST_VARIANCE = 1e-9


@dataclass(frozen=True)
class NaiveBayes(Maker):
    """Gaussian naive Bayes with means and variances from one pass of sums over the pool.

    Zheng et al. 2023, Revisiting discriminative vs. generative classifiers, for the statistics; shrinkage and
    n_effective are ours. The variance within classes is shared by them, which makes the classifier linear, and shrunk
    to the pool's as if that were known from `shrinkage` more samples: with one label a class it is the pool's.

    `prior`: 'uniform', or 'labels' for their frequencies.
    `class_variances`: each class has its own variance, shrunk in the same way to the shared one.
    `shrinkage`: samples that the prior variance counts as.
    `n_effective`: independent dimensions that the correlated ones are worth as evidence; with all of them it is the
    textbook's rule, sure of everything. The label under a uniform prior is the same for any.
    """

    prior: Literal["uniform", "labels"] = "uniform"
    class_variances: bool = False
    shrinkage: Positive = 10.0
    n_effective: Positive = 30.0

    def fit(self, pool: LabelPool) -> Predict:
        def predict(labels: Int64Array, rows: Int64Array) -> Float32Array:
            labelled_rows(labels, pool.n_classes)
            moments = class_moments(pool.embeddings, labels, pool.n_classes)
            return predict_rows(self.classifier(moments), pool.embeddings, rows)

        return predict

    def classifier(self, moments: ClassMoments) -> GaussianNaiveBayes:
        """The classifier of these moments of a pool. Raises ValueError where they hold no labelled sample."""
        counts, n_classes = moments.counts[:-1], len(moments.counts) - 1
        classes = np.flatnonzero(counts)
        if not len(classes):
            raise ValueError("moments must hold at least one labelled sample")
        prior = np.full(n_classes, 1.0 / n_classes) if self.prior == "uniform" else counts / counts.sum()
        mean = moments.sums[classes] / GRID / counts[classes, None]
        variance = _variance(moments, classes, self.class_variances, self.shrinkage)
        evidence = min(self.n_effective / moments.sums.shape[1], 1.0)
        return GaussianNaiveBayes(classes, n_classes, mean, variance, np.log(prior[classes]), evidence)


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
        from scipy.special import softmax

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


def class_moments(embeddings: npt.NDArray[Any], labels: Int64Array, n_classes: int) -> ClassMoments:
    """The moments of a pool, or of a shard of it: embeddings (n, d), labels int64 (n,), -1 for none.

    A shard without a label is as good as another. Raises ValueError as `labelled_rows` does for labels out of range.
    """
    from scipy import sparse

    check_embeddings("embeddings", embeddings)
    check_pool(embeddings, labels)
    if (labels >= 0).any() or n_classes < 1 or labels.dtype != np.int64:
        labelled_rows(labels, n_classes)
    groups = np.where(labels < 0, n_classes, labels)
    sums = np.zeros((n_classes + 1, embeddings.shape[1]), dtype=np.int64)
    squares = np.zeros_like(sums)
    for block in row_blocks(len(labels)):
        units, mine = unit_rows(embeddings[block])[0], groups[block]
        members = sparse.csr_array(
            (np.ones(len(mine)), mine, np.arange(len(mine) + 1)), shape=(len(mine), n_classes + 1)
        ).T.tocsr()
        sums += (members @ (units * GRID)).astype(np.int64)
        squares += (members @ np.rint(units * units * SQUARE_GRID)).astype(np.int64)
    return ClassMoments(np.bincount(groups, minlength=n_classes + 1), sums, squares)


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
