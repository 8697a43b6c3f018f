"""EL2N and the last layer's GraNd: how far the first epochs' predictions are from the label."""

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array
from windrow.tasks.algorithms.labels.checks.training_dynamics import TrainingDynamics


def el2n_score(dynamics: TrainingDynamics, epoch: int = 9) -> Float32Array:
    """-||p - y|| after this epoch (from 0), the mean over seeds: a label quality score float32 (n,).

    Paul et al. 2021, Deep learning on a data diet, definition 2.3, negated; the paper's scores rank difficulty,
    and take an early epoch; at initialisation they say nothing of the label. No verdict: the paper gives none.
    """
    return np.asarray(-_mean_error(dynamics, epoch), dtype=np.float32)


def last_layer_grand_score(dynamics: TrainingDynamics, embeddings: npt.NDArray[Any], epoch: int = 9) -> Float32Array:
    """-||p - y|| ||h||, the mean over seeds: a label quality score float32 (n,).

    The gradient of cross-entropy by a linear head's weights is (p - y) h', so its Frobenius norm is this product: GraNd
    (the same paper, definition 2.1) of the last layer, for the head's input h (n, d). Raises ValueError unless there is
    one row of h for each sample.
    """
    error = _mean_error(dynamics, epoch)
    if embeddings.ndim != 2 or len(embeddings) != len(error):
        raise ValueError(f"embeddings must have shape ({len(error)}, d), got {embeddings.shape}")
    wide = embeddings.astype(np.float64)
    return np.asarray(-error * np.sqrt((wide * wide).sum(axis=1)), dtype=np.float32)


def _mean_error(dynamics: TrainingDynamics, epoch: int) -> npt.NDArray[np.float64]:
    error = dynamics.recorded("error_norm")
    if not 0 <= epoch < error.shape[1]:
        raise ValueError(f"epoch must be from 0 to {error.shape[1] - 1}, got {epoch}")
    return np.asarray(error[:, epoch].mean(axis=0, dtype=np.float64))
