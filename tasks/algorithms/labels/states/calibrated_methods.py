"""What one method says of a class whose states are partly known, calibrated, and how close it comes to these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY
from windrow.tasks.algorithms.labels.states.platt_scaling import fit_platt, logits

Method = Literal["one-vs-rest", "positive-unlabelled", "cdul", "one-vs-rest and cdul", "none"]


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

    def and_other(self, method: Method, other: Candidate) -> Candidate:
        """Calibrate the mean of the logits of this and another (a logarithmic pool of two opinions)."""
        pool, apart = (
            np.asarray(expit((logits(a) + logits(b)) / 2), np.float32)
            for a, b in ((self.pool, other.pool), (self.apart, other.apart))
        )
        return Candidate.of(method, pool, apart, self.present)

    @property
    def cross_entropy(self) -> float:
        """Of the known states, in nats a sample."""
        right = np.where(self.present, self.apart, 1 - self.apart).astype(np.float64)
        return float(-np.log(np.maximum(right, SMALLEST_PROBABILITY)).mean())
