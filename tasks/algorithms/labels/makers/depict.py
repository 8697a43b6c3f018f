"""DEPICT: clusters refined by a head that learns its own sharpened, size-balanced predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, row_blocks
from windrow.tasks.algorithms.labels.cores.balanced_labels import log_rows, shape_of
from windrow.tasks.algorithms.labels.cores.cluster_start import ClusterStart
from windrow.tasks.algorithms.labels.cores.self_training import Relabel
from windrow.tasks.algorithms.labels.cores.sinkhorn import log_sum_exp
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.labels.makers.clusterer import Refined


@dataclass(frozen=True)
class Depict(Refined):
    """Rounds of targets from predictions (`depict_targets`) and a linear head from targets.

    The paper's alternation, on stored embeddings: its autoencoder stays out.
    """

    def relabel(self, _pool: LabelPool, _start: ClusterStart) -> Relabel:
        def sharpened(_: int, predicted: Float32Array) -> tuple[Float32Array, Float64Array]:
            return depict_targets(predicted), np.ones(len(predicted))

        return sharpened


def depict_targets(probabilities: Float32Array) -> Float32Array:
    """Soft labels (n, k): q_ij = p_ij / sqrt(sum_i' p_i'j), rows divided by their sums.

    Ghasedi Dizaji et al. 2017, Deep clustering via joint convolutional autoencoder embedding and relative entropy
    minimization, equation 8: it nearly minimises mean KL(q_i || p_i) + KL(mean q || uniform) for a given P. The minimum
    has q_ij proportional to p_ij / f_j with f the mean of q itself; this is the first step of the Sinkhorn scaling (of
    power 1/2) to it.
    """
    shape_of(probabilities)
    size = np.maximum(probabilities.sum(axis=0, dtype=np.float64), np.finfo(np.float64).tiny)
    targets = np.empty(probabilities.shape, dtype=np.float32)
    for rows in row_blocks(len(targets)):
        logs = log_rows(probabilities, rows) - 0.5 * np.log(size)
        targets[rows] = np.exp(logs - log_sum_exp(logs, axis=1)[:, None])
    return targets
