"""Thresholds by class, taken from the pool's own confidences (FreeMatch)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float64Array
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Policy, Predictions, Share
from windrow.tasks.algorithms.labels.pool_statistics import mean_prediction, pool_mean
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, first_class, probability_of


@dataclass(frozen=True)
class SelfAdaptive(Policy):
    """`floor`: the lowest that a class's threshold can get."""

    floor: Share = 0.5

    def decide(self, said: Predictions) -> Decision:
        """Return the labels that reach the threshold of their class."""
        return said.from_threshold(self_adaptive_thresholds(said.probabilities, self.floor))


def self_adaptive_thresholds(probabilities: Probabilities, floor: float = 0.0) -> Float64Array:
    """Return thresholds (n_classes,): the pool's mean confidence, times the class's share of probability.

    Wang et al. 2023, FreeMatch, equations 5 to 7: mean confidence * mean probability of the class / the largest of
    these, with the pool's means for moving averages over batches: what the averages settle at while the model stands
    still. `floor` is the lowest that a threshold can get: in a long-tailed pool a rare class's factor is near 0, and
    would accept any guess of it. Without rows all are `floor`.
    """
    n_classes = probabilities.shape[1]
    if not len(probabilities):
        return np.full(n_classes, floor)
    largest = probability_of(probabilities, first_class(probabilities))
    overall = pool_mean(len(probabilities), lambda rows: largest[rows])
    local = mean_prediction(probabilities)
    thresholds: Float64Array = np.maximum(overall * (local / local.max()), floor)
    return thresholds
