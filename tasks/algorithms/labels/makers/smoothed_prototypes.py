"""Prototypes, smoothed over the pool's nearest-neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.folds import Predict
from windrow.tasks.algorithms.labels.maker import LabelPool, Maker, NotNegative, Positive, given
from windrow.tasks.algorithms.labels.makers.prototypes import Prototypes


@dataclass(frozen=True)
class SmoothedPrototypes(Maker):
    """What prototypes predict, then smoothed (LAME): see `smooth_predictions`.

    `strength`: how many neighbours' votes a prediction hears; 0 leaves the prototypes as they are.
    `gamma`: an edge weighs cosine^gamma.
    `prototypes`: the settings of what is smoothed.
    """

    strength: NotNegative = 2.0
    gamma: Positive = 3.0
    prototypes: Prototypes = field(default_factory=Prototypes)

    needs = ("labels", "graph")

    def fit(self, pool: LabelPool) -> Predict:
        from windrow.tasks.algorithms.labels.cores.prediction_smoothing import smooth_predictions

        graph, start = given(pool.graph, "graph"), self.prototypes.fit(pool)

        def predict(labels: Int64Array, rows: Int64Array) -> Float32Array:
            predictions = start(labels, np.arange(len(labels)))
            return smooth_predictions(graph, predictions, self.strength, self.gamma).probabilities[rows]

        return predict
