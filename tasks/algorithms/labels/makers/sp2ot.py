"""SP2OT: P2OT that also asks neighbours for one cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array
from windrow.tasks.algorithms.labels.cores.cluster_start import ClusterStart
from windrow.tasks.algorithms.labels.cores.partial_transport import TransportConfig, rho_ramp
from windrow.tasks.algorithms.labels.cores.self_training import Relabel
from windrow.tasks.algorithms.labels.maker import Count, LabelPool, NotNegative, Positive, given
from windrow.tasks.algorithms.labels.makers.clusterer import TOLERANCE, Refined


@dataclass(frozen=True)
class Sp2ot(Refined):
    """Rounds of a linear head that learns the labels of `sp2ot_labels`, which neighbours pull together.

    `size_weight`: how firmly clusters are drawn to one size.
    `eps`: of the entropy.
    `semantic_weight`: of neighbours with the same cluster.
    `gamma`: an edge weighs cosine^gamma.
    `n_steps`: of majorise-minimise, a round.
    """

    size_weight: Positive = 0.3
    eps: Positive = 1.0
    semantic_weight: NotNegative = 3.0
    gamma: Positive = 3.0
    n_steps: Count = 10

    needs = ("graph",)

    def relabel(self, pool: LabelPool, _start: ClusterStart) -> Relabel:
        from windrow.tasks.algorithms.labels.cores.semantic_transport import sp2ot_labels

        graph, config = given(pool.graph, "graph"), TransportConfig(self.size_weight, self.eps, TOLERANCE)

        def semantic(number: int, predicted: Float32Array) -> tuple[Float32Array, Float64Array]:
            rho = rho_ramp(number + 1, self.n_rounds)
            found = sp2ot_labels(
                predicted, graph, rho, self.semantic_weight, config, gamma=self.gamma, n_steps=self.n_steps
            ).labels
            return found.probabilities, found.confidence.astype(np.float64)

        return semantic
