"""Confidence-weighted entropy: low where the prediction is sure of another class, or unsure of all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.checks.self_confidence import self_confidence
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


@dataclass(frozen=True)
class WeightedEntropy(Check):
    """The label's probability over the prediction's entropy, as a logarithm. No verdict."""

    needs = ("predictions",)

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the score, a logarithm."""
        return Judgement(confidence_weighted_entropy(given.predictions, given.labels))


def confidence_weighted_entropy(predictions: SparseProbabilities, labels: Int64Array) -> Float32Array:
    """Return -log(entropy / self-confidence), float32 (n,).

    Entropy in units of log n_classes. Northcutt et al. give the ratio for a ranking, noisy first; the negative
    logarithm turns it round without a scale. Probabilities count as 1e-7 at least, so that it stays finite.
    """
    own = np.maximum(self_confidence(predictions, labels).astype(np.float64), SMALLEST_PROBABILITY)
    largest = max(float(np.log(predictions.n_classes)), SMALLEST_PROBABILITY)
    entropy = np.maximum(_entropy(predictions) / largest, SMALLEST_PROBABILITY)
    return np.asarray(np.log(own) - np.log(entropy), dtype=np.float32)


def _entropy(predictions: SparseProbabilities) -> Float64Array:
    listed = predictions.probabilities.astype(np.float64)
    rest = predictions.rest()
    n_unlisted = predictions.n_classes - (predictions.classes >= 0).sum(axis=1)
    return np.asarray(_surprise(listed).sum(axis=1) + n_unlisted * _surprise(rest), dtype=np.float64)


def _surprise(share: Float64Array) -> Float64Array:
    return -share * np.log(np.where(share > 0, share, 1.0))
