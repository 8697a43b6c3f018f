"""The linear probe, smoothed over the pool's nearest-neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.cores.logistic_probe import fit_logistic_probe, logistic_probe
from windrow.tasks.algorithms.labels.folds import Predict, check_pool, labelled_rows
from windrow.tasks.algorithms.labels.maker import LabelPool, Maker, NotNegative, Positive, given
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import PredictListed, predict_listed
from windrow.tasks.algorithms.labels.many_classes.smoothed_rows import smoothed_listed
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


@dataclass(frozen=True)
class SmoothedProbe(Maker):
    """What `logistic_probe` predicts, smoothed by `smooth_predictions`.

    The probe sees what labels share over the whole space, the graph what neighbours share without labels. With the
    probe's own penalty of one label it is so unsure that its neighbours outvote it.

    `penalty`: of the probe, in labels: its l2 is this over their number (scikit-learn's 1 / C).
    `strength`: how many neighbours' votes a prediction hears; null: 1, 2, 5 or 8, as labels held out say
    (`choose_strength`).
    """

    penalty: Positive = 0.1
    strength: NotNegative | None = None

    needs = ("labels", "graph")

    def tuned(self, pool: LabelPool, labels: Int64Array, n_folds: int = 5) -> Self:
        if self.strength is not None:
            return self
        return replace(self, strength=self._chosen(pool, labels, n_folds))

    def _chosen(self, pool: LabelPool, labels: Int64Array, n_folds: int) -> float:
        from windrow.tasks.algorithms.labels.cores.smoothing_strength import choose_strength
        from windrow.tasks.algorithms.labels.many_classes.listed_strength import choose_listed_strength

        graph, how = given(pool.graph, "graph"), {"n_folds": n_folds, "seed": pool.seed}
        if pool.lists:
            return choose_listed_strength(self._listed_probe(pool), graph, labels, pool.n_classes, **how)
        return choose_strength(self._probe(pool), graph, labels, pool.n_classes, **how)

    def fit(self, pool: LabelPool) -> Predict:
        from windrow.tasks.algorithms.labels.cores.prediction_smoothing import Ties, smooth_predictions

        graph, start = given(pool.graph, "graph"), self._probe(pool)
        ties, strength = Ties.of(graph), self._usual()

        def predict(labels: Int64Array, rows: Int64Array) -> Float32Array:
            check_pool(graph.indices, labels)
            return smooth_predictions(ties, start(labels, np.arange(len(labels))), strength).probabilities[rows]

        return predict

    def of_new(self, pool: LabelPool, labels: Int64Array, new: Int64Array, said: Float32Array) -> Float32Array:
        from windrow.tasks.algorithms.labels.cores.prediction_smoothing import smooth_new
        from windrow.tasks.algorithms.labels.cores.smoothing_strength import USUAL

        check_pool(given(pool.graph, "graph").indices, labels)
        strength = USUAL if self.strength is None else self.strength
        return smooth_new(given(pool.graph, "graph"), self._probe(pool)(labels, new), new, said, strength)

    def _probe(self, pool: LabelPool) -> Predict:
        def predict(labels: Int64Array, rows: Int64Array) -> Float32Array:
            check_pool(pool.embeddings, labels)
            l2 = self.penalty / len(labelled_rows(labels, pool.n_classes))
            return logistic_probe(pool.embeddings, labels, pool.n_classes, l2, rows=rows)

        return predict

    def fit_listed(self, pool: LabelPool) -> PredictListed:
        strength = self._usual()
        return smoothed_listed(given(pool.graph, "graph"), self._listed_probe(pool), strength)

    def _listed_probe(self, pool: LabelPool) -> PredictListed:
        k = pool.n_listed or pool.n_classes

        def predict(labels: Int64Array, rows: Int64Array) -> SparseProbabilities:
            l2 = self.penalty / len(labelled_rows(labels, pool.n_classes))
            return predict_listed(
                fit_logistic_probe(pool.embeddings, labels, pool.n_classes, l2), pool.embeddings, rows, k
            )

        return predict

    def _usual(self) -> float:
        from windrow.tasks.algorithms.labels.cores.smoothing_strength import USUAL

        return USUAL if self.strength is None else self.strength
