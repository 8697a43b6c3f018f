"""What one method says of a class whose states are partly known, calibrated, and how close it comes to these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY
from windrow.tasks.algorithms.labels.states.platt_scaling import fit_platt

Method = Literal["one-vs-rest", "positive-unlabelled", "cdul", "none"]


@dataclass(frozen=True)
class Candidate:
    """Calibrated probabilities of a class, by one method: of the pool (n,), and, by what did not learn from them, of
    the samples (m,) of which it is known whether it is present (m,)."""

    method: Method
    pool: Float32Array
    apart: Float32Array
    present: BoolArray

    @classmethod
    def of(cls, method: Method, pool: Float32Array, apart: Float32Array, present: BoolArray) -> Candidate:
        """Calibrate what a method says (`fit_platt`)."""
        scaling = fit_platt(apart, present)
        return cls(method, scaling.apply(pool), scaling.apply(apart), present)

    @property
    def cross_entropy(self) -> float:
        """Of the known states, in nats a sample."""
        right = np.where(self.present, self.apart, 1 - self.apart).astype(np.float64)
        return float(-np.log(np.maximum(right, SMALLEST_PROBABILITY)).mean())
