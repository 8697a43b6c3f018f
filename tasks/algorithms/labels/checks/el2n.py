"""EL2N: how far an early epoch's predictions are from the label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.labels.judging.training_dynamics import TrainingDynamics


@dataclass(frozen=True)
class El2n(Check):
    """The error of the watched head's prediction after `probe_training.early_epoch`. No verdict: the paper has none."""

    needs = ("features", "dynamics")

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the score, from -sqrt(2) to 0."""
        return Judgement(el2n_score(given.dynamics, given.training.early_epoch))


def el2n_score(dynamics: TrainingDynamics, epoch: int = 9) -> Float32Array:
    """Return -||p - y|| after this epoch (from 0), the mean over seeds: a label quality score float32 (n,).

    Paul et al. 2021, Deep learning on a data diet, definition 2.3, negated; the paper's scores rank difficulty,
    and take an early epoch; at initialisation they say nothing of the label.
    """
    return np.asarray(-mean_error(dynamics, epoch), dtype=np.float32)


def mean_error(dynamics: TrainingDynamics, epoch: int) -> Float64Array:
    """Return ||p - y|| after this epoch (from 0), the mean over seeds: float64 (n,)."""
    error = dynamics.recorded("error_norm")
    if not 0 <= epoch < error.shape[1]:
        raise ValueError(f"epoch must be from 0 to {error.shape[1] - 1}, got {epoch}")
    return np.asarray(error[:, epoch].mean(axis=0, dtype=np.float64))
