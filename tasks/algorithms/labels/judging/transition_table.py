"""How labels go wrong by class: the transition table that makes clean predictions explain the given labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.judging.judgement import Judgement, check_given, most_expected_f1
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

N_ITERATIONS = 60
FIRST_DIAGONAL = 0.7
# A clean label for each class that nobody saw: a class without predictions stays its own, and no cell becomes 0.
PRIOR_LABELS = 0.01
LOG_TEMPERATURES = (-2.0, 1.5)


@dataclass(frozen=True)
class TransitionTable:
    """How labels go wrong by class, and what that says of each label.

    transition: float64 (n_classes, n_classes), row the true class, column the given, rows sum to 1. posterior: float32
    (n,), the probability that the given label is the true class. temperature: what the predictions were sharpened
    (below 1) or softened by. log_likelihood: of the given labels, natural logarithm.
    """

    transition: Float64Array
    posterior: Float32Array
    temperature: float
    log_likelihood: float

    def judge(self) -> Judgement:
        """Return the posterior as the score; noisy are those that most_expected_f1 chooses by it."""
        return Judgement(self.posterior, most_expected_f1(1.0 - self.posterior.astype(np.float64)))


def fit_noise_transition(
    predictions: SparseProbabilities, labels: Int64Array, temperature: float = 1.0
) -> TransitionTable:
    """Return the table of the largest likelihood of the labels, prod_i sum_c p_i(c) T(c, label_i), by EM.

    The labels of one annotator in Dawid and Skene 1979, with the predictions p for the class prior: concave in T, so EM
    climbs to its only maximum. p stands for the clean class given the sample: use out-of-sample predictions, best of a
    probe that left out the labels that seem wrong. Memory O(n k + n_classes^2).
    """
    check_given(labels, predictions.n_classes, len(predictions))
    predictions = _tempered(predictions, temperature)
    n_classes, explained = predictions.n_classes, _Explained.of(predictions, labels)
    table = np.full((n_classes, n_classes), (1 - FIRST_DIAGONAL) / max(n_classes - 1, 1))
    np.fill_diagonal(table, FIRST_DIAGONAL if n_classes > 1 else 1.0)
    for _ in range(N_ITERATIONS):
        counts = explained.counts(table) + PRIOR_LABELS * np.eye(n_classes) + 1e-4 / n_classes
        table = counts / counts.sum(axis=1, keepdims=True)
    likelihood = explained.likelihood(table)
    posterior = predictions.of_class(labels) * table[labels, labels] / likelihood
    return TransitionTable(table, posterior.astype(np.float32), temperature, float(np.log(likelihood).sum()))


def fit_tempered_transition(predictions: SparseProbabilities, labels: Int64Array) -> TransitionTable:
    """Return fit_noise_transition at the temperature, from exp(-2) to exp(1.5), that makes the labels most likely.

    A probe that is regularised, or was shown wrong labels, is less sure than it should be: the table alone would then
    take its doubt for clean labels of rare classes.
    """
    from scipy.optimize import minimize_scalar  # half a second, which reading settings need not wait for

    found = minimize_scalar(
        lambda log: -fit_noise_transition(predictions, labels, float(np.exp(log))).log_likelihood,
        bounds=LOG_TEMPERATURES,
        method="bounded",
        options={"xatol": 0.02},
    )
    return fit_noise_transition(predictions, labels, float(np.exp(found.x)))


def _tempered(predictions: SparseProbabilities, temperature: float) -> SparseProbabilities:
    """The listed classes and, as one more column, the rest of each row, made p^(1 / temperature)."""
    n_unlisted = predictions.n_classes - (predictions.classes >= 0).sum(axis=1)
    powers = np.where(predictions.classes >= 0, predictions.probabilities.astype(np.float64), 0.0)
    largest = np.maximum(powers.max(axis=1, keepdims=True), predictions.rest()[:, None])
    powers = np.where(predictions.classes >= 0, np.maximum(powers / largest, 1e-7) ** (1 / temperature), 0.0)
    rest = np.where(n_unlisted > 0, np.maximum(predictions.rest() / largest[:, 0], 1e-7) ** (1 / temperature), 0.0)
    total = powers.sum(axis=1) + n_unlisted * rest
    return SparseProbabilities(predictions.classes, (powers / total[:, None]).astype(np.float32), predictions.n_classes)


@dataclass(frozen=True)
class _Explained:
    """Labels (n,) and predictions that explain them, and what of these every step of EM wants.

    rest: (n,), `SparseProbabilities.rest`; row, slot: int64 (m,), where a class is listed; cells: int64 (m,), which of
    the table's cells that is.
    """

    predictions: SparseProbabilities
    labels: Int64Array
    rest: Float64Array
    row: Int64Array
    slot: Int64Array
    cells: Int64Array

    @classmethod
    def of(cls, predictions: SparseProbabilities, labels: Int64Array) -> _Explained:
        row, slot = np.nonzero(predictions.classes >= 0)
        cells = predictions.classes[row, slot] * predictions.n_classes + labels[row]
        return cls(predictions, labels, predictions.rest(), row, slot, cells)

    def likelihood(self, table: Float64Array) -> Float64Array:
        """Of each label (n,) by this table."""
        classes = self.predictions.classes
        to_label = np.where(classes >= 0, table[classes, self.labels[:, None]], 0.0)
        listed = (self.predictions.probabilities * to_label).sum(axis=1)
        to_others = np.maximum(table.sum(axis=0)[self.labels] - to_label.sum(axis=1), 0.0)
        return np.asarray(listed + self.rest * to_others, dtype=np.float64)

    def counts(self, table: Float64Array) -> Float64Array:
        """Expected samples by (true, given). What rows do not list goes to whole columns, less where listed."""
        n_classes = self.predictions.n_classes
        inverse = 1.0 / self.likelihood(table)
        of_rest = self.rest * inverse
        listed = self.predictions.probabilities[self.row, self.slot] * inverse[self.row] - of_rest[self.row]
        factor = np.bincount(self.cells, weights=listed, minlength=n_classes**2).reshape(n_classes, n_classes)
        factor += np.bincount(self.labels, weights=of_rest, minlength=n_classes)
        return np.asarray(table * np.maximum(factor, 0.0))
