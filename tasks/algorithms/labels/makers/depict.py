"""DEPICT: clusters refined by a head that learns its own sharpened, size-balanced predictions."""

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array
from windrow.tasks.algorithms.labels.makers.balanced_labels import log_rows, shape_of
from windrow.tasks.algorithms.labels.makers.iterative_labels import Rounds, self_train
from windrow.tasks.algorithms.labels.makers.sinkhorn import log_sum_exp, row_blocks
from windrow.tasks.algorithms.labels.makers.soft_probe import SoftProbeConfig


def depict_targets(probabilities: Float32Array) -> Float32Array:
    """Soft labels (n, k): q_ij = p_ij / sqrt(sum_i' p_i'j), rows divided by their sums.

    Ghasedi Dizaji et al. 2017, Deep clustering via joint convolutional autoencoder embedding and relative entropy
    minimization, equation 8: it nearly minimises `depict_objective` for a given P. The minimum has q_ij proportional to
    p_ij / f_j with f the mean of q itself; this is the first step of the Sinkhorn scaling (of power 1/2) to it.
    """
    shape_of(probabilities)
    size = np.maximum(probabilities.sum(axis=0, dtype=np.float64), np.finfo(np.float64).tiny)
    targets = np.empty(probabilities.shape, dtype=np.float32)
    for rows in row_blocks(len(targets)):
        logs = log_rows(probabilities, rows) - 0.5 * np.log(size)
        targets[rows] = np.exp(logs - log_sum_exp(logs, axis=1)[:, None])
    return targets


def depict_objective(targets: Float32Array, probabilities: Float32Array) -> float:
    """Mean KL(q_i || p_i) + KL(mean q || uniform), equation 5 of the paper with its uniform prior."""
    divergence = 0.0
    for rows in row_blocks(len(targets)):
        q = targets[rows].astype(np.float64)
        logs = np.log(np.where(q > 0, q, 1.0))
        divergence += float((q * (logs - log_rows(probabilities, rows))).sum())
    mean = targets.mean(axis=0, dtype=np.float64)
    kept = mean[mean > 0]
    return divergence / len(targets) + float((kept * np.log(kept * len(mean))).sum())


def depict_refine(
    embeddings: npt.NDArray[Any],
    start: Float32Array,
    n_rounds: int = 10,
    config: SoftProbeConfig | None = None,
    n_kept: int = 10,
) -> Rounds:
    """Rounds of targets from predictions and a linear softmax head from targets, from start (n, k) on.

    start: soft clusters, of k-means for instance. The paper's alternation, on stored embeddings: its autoencoder stays
    out. The order of the samples does not matter and there is no seed.
    """

    def relabel(_: int, probabilities: Float32Array) -> tuple[Float32Array, Float64Array]:
        return depict_targets(probabilities), np.ones(len(probabilities))

    return self_train(embeddings, start, relabel, n_rounds, config, n_kept)
