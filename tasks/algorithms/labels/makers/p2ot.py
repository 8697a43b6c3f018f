"""P2OT: clusters of unlike sizes, refined by a head that learns ever more samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array
from windrow.tasks.algorithms.labels.cores.cluster_start import ClusterStart
from windrow.tasks.algorithms.labels.cores.partial_transport import TransportConfig, p2ot_labels, rho_ramp
from windrow.tasks.algorithms.labels.cores.self_training import Relabel
from windrow.tasks.algorithms.labels.maker import LabelPool, Positive
from windrow.tasks.algorithms.labels.makers.clusterer import TOLERANCE, Refined


@dataclass(frozen=True)
class P2ot(Refined):
    """Rounds of a linear head that learns the labels of partial optimal transport (`p2ot_labels`).

    The weights are the paper's, which for clusters are other ones than `transport`'s.

    `size_weight`: how firmly clusters are drawn to one size.
    `eps`: of the entropy.
    """

    size_weight: Positive = 1.0
    eps: Positive = 0.1

    def relabel(self, _pool: LabelPool, _start: ClusterStart) -> Relabel:
        config = TransportConfig(self.size_weight, self.eps, TOLERANCE)

        def partial(number: int, predicted: Float32Array) -> tuple[Float32Array, Float64Array]:
            found = p2ot_labels(predicted, rho_ramp(number + 1, self.n_rounds), config)
            return found.probabilities, found.confidence.astype(np.float64)

        return partial
