"""Normalised margin: the label's probability against the best other class's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.checks.self_confidence import self_confidence
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


@dataclass(frozen=True)
class NormalisedMargin(Check):
    """The label's probability less the largest other one, by a probe that did not see the label. No verdict."""

    needs = ("predictions",)

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the score, from -1 to 1."""
        return Judgement(normalised_margin(given.predictions, given.labels))


def normalised_margin(predictions: SparseProbabilities, labels: Int64Array) -> Float32Array:
    """Return the label's probability less the largest other one, float32 (n,); above 0 where the label is predicted."""
    own = self_confidence(predictions, labels).astype(np.float64)
    return (own - best_other(predictions, labels)).astype(np.float32)


def best_other(predictions: SparseProbabilities, labels: Int64Array) -> Float64Array:
    """Return the largest probability float64 (n,) of a class that is not the label; 0 where there is no other class."""
    is_other = (predictions.classes >= 0) & (predictions.classes != labels[:, None])
    listed = np.where(is_other, predictions.probabilities, 0.0).max(axis=1, initial=0.0)
    n_others = predictions.n_classes - 1 - is_other.sum(axis=1)
    return np.asarray(np.where(n_others > 0, np.maximum(listed, predictions.rest()), listed), dtype=np.float64)
