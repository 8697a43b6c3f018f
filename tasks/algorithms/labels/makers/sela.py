"""SeLa: clusters refined by a head that learns its own predictions, balanced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array
from windrow.tasks.algorithms.labels.cores.balanced_labels import check_marginal, sela_labels
from windrow.tasks.algorithms.labels.cores.cluster_start import ClusterStart
from windrow.tasks.algorithms.labels.cores.self_training import Relabel
from windrow.tasks.algorithms.labels.maker import LabelPool, NotNegative, Positive
from windrow.tasks.algorithms.labels.makers.clusterer import TOLERANCE, Refined


@dataclass(frozen=True)
class Sela(Refined):
    """Rounds of a linear head that learns balanced labels (`sela_labels`).

    `power`: how near to hard the labels are; 1 is the least change.
    `marginal`: shares of the clusters, the largest for the largest at the start; null is equal.
    """

    power: Positive = 25.0
    marginal: tuple[NotNegative, ...] | None = None

    softer = "power: wants a smaller one"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_marginal(self.marginal)

    def relabel(self, _pool: LabelPool, start: ClusterStart) -> Relabel:
        marginal = start.ordered(self.marginal)

        def balanced(_: int, predicted: Float32Array) -> tuple[Float32Array, Float64Array]:
            targets = sela_labels(predicted, self.power, marginal, tolerance=TOLERANCE)
            return targets, np.ones(len(predicted))

        return balanced
