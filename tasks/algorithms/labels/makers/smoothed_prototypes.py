"""Prototypes, smoothed over the pool's nearest-neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.folds import Predict
from windrow.tasks.algorithms.labels.maker import LabelPool, Maker, NotNegative, Positive, given
from windrow.tasks.algorithms.labels.makers.prototypes import Prototypes
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import PredictListed
from windrow.tasks.algorithms.labels.many_classes.smoothed_rows import smoothed_listed


@dataclass(frozen=True)
class SmoothedPrototypes(Maker):
    """What prototypes predict, then smoothed (LAME): see `smooth_predictions`.

    `strength`: how many neighbours' votes a prediction hears; 0 leaves the prototypes as they are, null: 1, 2, 5 or 8,
    as labels held out say (`choose_strength`).
    `gamma`: an edge weighs cosine^gamma.
    `prototypes`: the settings of what is smoothed.
    """

    strength: NotNegative | None = None
    gamma: Positive = 3.0
    prototypes: Prototypes = field(default_factory=Prototypes)

    needs = ("labels", "graph")

    def tuned(self, pool: LabelPool, labels: Int64Array, n_folds: int = 5) -> Self:
        if self.strength is not None:
            return self
        return replace(self, strength=self._chosen(pool, labels, n_folds))

    def _chosen(self, pool: LabelPool, labels: Int64Array, n_folds: int) -> float:
        from windrow.tasks.algorithms.labels.cores.smoothing_strength import choose_strength
        from windrow.tasks.algorithms.labels.many_classes.listed_strength import choose_listed_strength

        graph, how = given(pool.graph, "graph"), (labels, pool.n_classes, self.gamma, n_folds, pool.seed)
        if pool.lists:
            return choose_listed_strength(self.prototypes.fit_listed(pool), graph, *how)
        return choose_strength(self.prototypes.fit(pool), graph, *how)

    def fit(self, pool: LabelPool) -> Predict:
        from windrow.tasks.algorithms.labels.cores.prediction_smoothing import Ties, smooth_predictions

        ties, start = Ties.of(given(pool.graph, "graph"), self.gamma), self.prototypes.fit(pool)
        strength = self._usual()

        def predict(labels: Int64Array, rows: Int64Array) -> Float32Array:
            return smooth_predictions(ties, start(labels, np.arange(len(labels))), strength).probabilities[rows]

        return predict

    def of_new(self, pool: LabelPool, labels: Int64Array, new: Int64Array, said: Float32Array) -> Float32Array:
        from windrow.tasks.algorithms.labels.cores.prediction_smoothing import smooth_new
        from windrow.tasks.algorithms.labels.cores.smoothing_strength import USUAL

        strength = USUAL if self.strength is None else self.strength
        start = self.prototypes.fit(pool)(labels, new)
        return smooth_new(given(pool.graph, "graph"), start, new, said, strength, self.gamma)

    def fit_listed(self, pool: LabelPool) -> PredictListed:
        strength = self._usual()
        return smoothed_listed(given(pool.graph, "graph"), self.prototypes.fit_listed(pool), strength, self.gamma)

    def _usual(self) -> float:
        from windrow.tasks.algorithms.labels.cores.smoothing_strength import USUAL

        return USUAL if self.strength is None else self.strength
