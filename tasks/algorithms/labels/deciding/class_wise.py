"""Thresholds by class, lower where few predictions are confident (FlexMatch)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float64Array
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Policy, Predictions, Share
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, first_class, probability_of


@dataclass(frozen=True)
class ClassWise(Policy):
    """`threshold`: of the class with the most confident predictions. `floor`: the lowest that a class's can get."""

    threshold: Share = 0.8
    floor: Share = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.floor > self.threshold:
            raise ValueError(f"floor: wants 0 to the threshold {self.threshold}, got {self.floor}")

    def decide(self, said: Predictions) -> Decision:
        """Return the labels that reach the threshold of their class."""
        return said.from_threshold(class_wise_thresholds(said.probabilities, self.threshold, self.floor))


def class_wise_thresholds(probabilities: Probabilities, threshold: float, floor: float) -> Float64Array:
    """Return thresholds (n_classes,), lower where fewer of the pool's predictions are confident.

    Zhang et al. 2021, FlexMatch, equations 5 to 7 and the convex mapping of section 3.3: threshold * b / (2 - b), with
    b the class's number of predictions of confidence >= threshold divided by the largest such number. One pass over the
    pool: FlexMatch's warm-up, which lowers every threshold while little is confident, would here accept guesses. b is 0
    for a class without a confident prediction, hence `floor`. Without any confident prediction all keep `threshold`.
    """
    n_classes = probabilities.shape[1]
    label = first_class(probabilities)
    confident = probability_of(probabilities, label) >= np.float32(threshold)
    learned = np.bincount(label[confident], minlength=n_classes)
    if not learned.any():
        return np.full(n_classes, threshold)
    status = learned / learned.max()
    thresholds: Float64Array = np.maximum(threshold * status / (2.0 - status), floor)
    return thresholds
