"""Labels spread along the nearest-neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.cores.affinity import LocalMatrix, normalised_affinity, spread, spread_to_new
from windrow.tasks.algorithms.labels.folds import Predict, check_pool, labelled_rows
from windrow.tasks.algorithms.labels.maker import LabelPool, Maker, Positive, Share, given
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import PredictListed
from windrow.tasks.algorithms.labels.probabilities import normalise_rows

if TYPE_CHECKING:
    pass

CLASS_BLOCK = 64
COPIES = 6
"""Of a block of classes, float64 (n, classes), while labels spread."""
# How far F may be off its limit, in norms of Y.
TOLERANCE = 1e-8


@dataclass(frozen=True)
class LabelPropagation(Maker):
    """The rows of F = (1 - alpha) (I - alpha S)^-1 Y divided by their sums.

    Zhou et al. 2004, Learning with local and global consistency: F <- alpha S F + (1 - alpha) Y with
    S = D^-1/2 W D^-1/2 and Y the labels as one-hot rows. W = A + A' with A_ij = max(cos_ij, 0)^gamma over the k
    nearest, as in Iscen et al. 2019, Label propagation for deep semi-supervised learning, equation 9. A sample that no
    label reaches gets uniform shares.

    `alpha`: how far labels spread, between 0 and 1.
    `gamma`: an edge weighs cosine^gamma.
    `class_balanced`: every class spreads the same mass, however many labels it has.
    """

    alpha: Share = 0.9
    gamma: Positive = 3.0
    class_balanced: bool = True

    needs = ("labels", "graph")

    def fit(self, pool: LabelPool) -> Predict:
        graph = given(pool.graph, "graph")
        at_once = min(max(pool.memory // (COPIES * 8 * max(len(pool.embeddings), 1)), 1), CLASS_BLOCK)
        smoother = LocalMatrix.of(normalised_affinity(graph, self.gamma))

        def predict(labels: Int64Array, rows: Int64Array) -> Float32Array:
            check_pool(graph.indices, labels)
            return self._spread(smoother, labels, pool.n_classes, rows, at_once)

        return predict

    def of_new(self, pool: LabelPool, labels: Int64Array, new: Int64Array, said: Float32Array) -> Float32Array:
        return spread_to_new(given(pool.graph, "graph"), labels, new, said, self.alpha, self.gamma)

    def fit_listed(self, pool: LabelPool) -> PredictListed:
        from windrow.tasks.algorithms.labels.many_classes.spread_labels import propagate

        graph, k = given(pool.graph, "graph"), pool.n_listed or pool.n_classes
        settings = (self.alpha, self.gamma, self.class_balanced)
        return lambda labels, rows: propagate(graph, labels, pool.n_classes, k, rows, *settings)

    def _spread(
        self, smoother: LocalMatrix, labels: Int64Array, n_classes: int, rows: Int64Array, at_once: int
    ) -> Float32Array:
        counts = np.bincount(labels[labelled_rows(labels, n_classes)], minlength=n_classes)
        scores = np.empty((len(rows), n_classes), dtype=np.float64)
        for block in row_blocks(n_classes, at_once):
            classes = np.arange(block.start, block.stop)
            seeds = (labels[:, None] == classes).astype(np.float64)
            if self.class_balanced:
                seeds /= np.maximum(counts[classes], 1)
            scores[:, classes] = spread(smoother, seeds, self.alpha, TOLERANCE)[rows]
        return normalise_rows(scores)
