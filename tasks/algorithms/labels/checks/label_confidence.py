"""Label quality scores of one prediction and one label: self-confidence, normalised margin, weighted entropy."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.checks.label_noise import check_given
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


def self_confidence(predictions: SparseProbabilities, labels: Int64Array) -> Float32Array:
    """The predicted probability (n,) of the label, 0 to 1."""
    check_given(labels, predictions.n_classes, len(predictions))
    return predictions.of_class(labels).astype(np.float32)


def normalised_margin(predictions: SparseProbabilities, labels: Int64Array) -> Float32Array:
    """The label's probability less the largest other one, -1 to 1; above 0 where the label is the prediction."""
    own = self_confidence(predictions, labels).astype(np.float64)
    return (own - best_other(predictions, labels)).astype(np.float32)


def confidence_weighted_entropy(predictions: SparseProbabilities, labels: Int64Array) -> Float32Array:
    """-log(entropy / self-confidence): low where the prediction is sure of another class, or unsure of all.

    Entropy in units of log n_classes. Northcutt et al. give the ratio for a ranking, noisy first; the negative
    logarithm turns it round without a scale. Probabilities count as 1e-7 at least, so that it stays finite.
    """
    own = np.maximum(self_confidence(predictions, labels).astype(np.float64), SMALLEST_PROBABILITY)
    largest = max(float(np.log(predictions.n_classes)), SMALLEST_PROBABILITY)
    entropy = np.maximum(_entropy(predictions) / largest, SMALLEST_PROBABILITY)
    return np.asarray(np.log(own) - np.log(entropy), dtype=np.float32)


def best_other(predictions: SparseProbabilities, labels: Int64Array) -> Float64Array:
    """The largest probability (n,) of a class that is not the label; 0 where there is no other class."""
    is_other = (predictions.classes >= 0) & (predictions.classes != labels[:, None])
    listed = np.where(is_other, predictions.probabilities, 0.0).max(axis=1, initial=0.0)
    n_others = predictions.n_classes - 1 - is_other.sum(axis=1)
    return np.asarray(np.where(n_others > 0, np.maximum(listed, predictions.rest()), listed), dtype=np.float64)


def _entropy(predictions: SparseProbabilities) -> Float64Array:
    listed = predictions.probabilities.astype(np.float64)
    rest = predictions.rest()
    n_unlisted = predictions.n_classes - (predictions.classes >= 0).sum(axis=1)
    return np.asarray(_surprise(listed).sum(axis=1) + n_unlisted * _surprise(rest), dtype=np.float64)


def _surprise(share: Float64Array) -> Float64Array:
    return -share * np.log(np.where(share > 0, share, 1.0))
