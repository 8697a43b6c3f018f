"""The linear probe, smoothed over the pool's nearest-neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe
from windrow.tasks.algorithms.labels.folds import Predict, check_pool, labelled_rows
from windrow.tasks.algorithms.labels.maker import LabelPool, Maker, NotNegative, Positive, given


@dataclass(frozen=True)
class SmoothedProbe(Maker):
    """What `logistic_probe` predicts, smoothed by `smooth_predictions`.

    The probe sees what labels share over the whole space, the graph what neighbours share without labels. With the
    probe's own penalty of one label it is so unsure that its neighbours outvote it.

    `penalty`: of the probe, in labels: its l2 is this over their number (scikit-learn's 1 / C).
    `strength`: how many neighbours' votes a prediction hears.
    """

    penalty: Positive = 0.1
    strength: NotNegative = 2.0

    needs = ("labels", "graph")

    def fit(self, pool: LabelPool) -> Predict:
        from windrow.tasks.algorithms.labels.cores.prediction_smoothing import smooth_predictions

        x, graph, n_classes = pool.embeddings, given(pool.graph, "graph"), pool.n_classes

        def predict(labels: Int64Array, rows: Int64Array) -> Float32Array:
            check_pool(x, labels)
            check_pool(graph.indices, labels)
            l2 = self.penalty / len(labelled_rows(labels, n_classes))
            probe = logistic_probe(x, labels, n_classes, l2)
            return smooth_predictions(graph, probe, self.strength).probabilities[rows]

        return predict
