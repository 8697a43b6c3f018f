"""Self-confidence: the predicted probability of the given label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement, check_given
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


@dataclass(frozen=True)
class SelfConfidence(Check):
    """The label's probability by a probe that did not see it. No verdict."""

    needs = ("predictions",)

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the score, from 0 to 1."""
        return Judgement(self_confidence(given.predictions, given.labels))


def self_confidence(predictions: SparseProbabilities, labels: Int64Array) -> Float32Array:
    """Return the predicted probability float32 (n,) of the label, 0 to 1."""
    check_given(labels, predictions.n_classes, len(predictions))
    return predictions.of_class(labels).astype(np.float32)
