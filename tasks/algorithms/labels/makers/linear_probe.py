"""The linear probe: multinomial logistic regression on the labelled embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.cores.logistic_probe import fit_logistic_probe, logistic_probe
from windrow.tasks.algorithms.labels.cores.row_stream import array_stream
from windrow.tasks.algorithms.labels.folds import Predict, labelled_rows
from windrow.tasks.algorithms.labels.maker import LabelPool, Maker, Positive
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import PredictListed, predict_listed
from windrow.tasks.algorithms.labels.probabilities import predict_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


@dataclass(frozen=True)
class LinearProbe(Maker):
    """The probe of `fit_logistic_probe`, or where its rows need too much memory of `fit_streaming_probe`.

    `l2`: of the weights; null is 1 over the number of labels.
    `class_balanced`: every class weighs the same.
    `most_held`: bytes; where the labelled samples need more (4 a number of their embeddings), they are read in blocks
    again and again instead of held: the same probe to its tolerance, not to the bit.
    """

    l2: Positive | None = None
    class_balanced: bool = True
    most_held: Annotated[int, Ge(0)] = 8 * 2**30

    def fit(self, pool: LabelPool) -> Predict:
        def predict(labels: Int64Array, rows: Int64Array) -> Float32Array:
            needed = 4 * np.count_nonzero(labels >= 0) * pool.embeddings.shape[1]
            if needed > self.most_held:
                return self._streamed(pool, labels, rows)
            return logistic_probe(pool.embeddings, labels, pool.n_classes, self.l2, self.class_balanced, rows)

        return predict

    def fit_listed(self, pool: LabelPool) -> PredictListed:
        x, k = pool.embeddings, pool.n_listed or pool.n_classes

        def predict(labels: Int64Array, rows: Int64Array) -> SparseProbabilities:
            if 4 * np.count_nonzero(labels >= 0) * x.shape[1] > self.most_held:
                from windrow.tasks.algorithms.labels.cores.streaming_probe import fit_streaming_probe

                labelled_rows(labels, pool.n_classes)
                stream = array_stream(x, labels)
                streamed = fit_streaming_probe(stream, pool.n_classes, self.l2, self.class_balanced)
                return predict_listed(streamed, x, rows, k)
            held = fit_logistic_probe(x, labels, pool.n_classes, self.l2, self.class_balanced)
            return predict_listed(held, x, rows, k)

        return predict

    def _streamed(self, pool: LabelPool, labels: Int64Array, rows: Int64Array) -> Float32Array:
        from windrow.tasks.algorithms.labels.cores.streaming_probe import fit_streaming_probe

        labelled_rows(labels, pool.n_classes)
        stream = array_stream(pool.embeddings, labels)
        probe = fit_streaming_probe(stream, pool.n_classes, self.l2, self.class_balanced)
        return predict_rows(probe, pool.embeddings, rows)
