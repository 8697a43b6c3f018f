"""GraNd of the last layer: the length of the gradient that a label gives a linear head, at an early epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array
from windrow.tasks.algorithms.labels.checks.el2n import mean_error
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.labels.judging.training_dynamics import TrainingDynamics


@dataclass(frozen=True)
class Grand(Check):
    """The gradient's length after `probe_training.early_epoch`. No verdict: the paper has none."""

    needs = ("features", "dynamics")

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the score, 0 or less."""
        return Judgement(last_layer_grand_score(given.dynamics, given.features, given.training.early_epoch))


def last_layer_grand_score(dynamics: TrainingDynamics, inputs: npt.NDArray[Any], epoch: int = 9) -> Float32Array:
    """Return -||p - y|| ||h||, the mean over seeds: a label quality score float32 (n,).

    The gradient of cross-entropy by a linear head's weights is (p - y) h', so its Frobenius norm is this product: GraNd
    (Paul et al. 2021, Deep learning on a data diet, definition 2.1) of the last layer, for the head's inputs h (n, d).
    Raises ValueError unless there is one row of h for each sample.
    """
    error = mean_error(dynamics, epoch)
    if inputs.ndim != 2 or len(inputs) != len(error):
        raise ValueError(f"inputs must have shape ({len(error)}, d), got {inputs.shape}")
    wide = inputs.astype(np.float64)
    return np.asarray(-error * np.sqrt((wide * wide).sum(axis=1)), dtype=np.float32)
