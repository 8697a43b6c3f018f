"""Platt scaling: the probability that a class is present, from a score that says more or less."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Float64Array
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY


@dataclass(frozen=True)
class PlattScaling:
    """p -> 1 / (1 + exp(-(slope logit(p) + offset))); slope is not negative, so the order stays."""

    slope: float
    offset: float

    def apply(self, probabilities: Float32Array) -> Float32Array:
        """Return the calibrated probabilities, of the same shape."""
        return np.asarray(expit(self.slope * logits(probabilities) + self.offset), np.float32)


def fit_platt(held_out: Float32Array, present: BoolArray) -> PlattScaling:
    """The scaling that makes out-of-sample probabilities (m,) fit what is true (m,) best.

    Platt 1999, Probabilistic outputs for support vector machines, section 2.2: the targets are (n+ + 1) / (n+ + 2) and
    1 / (n- + 2) for n+ present and n- absent, so that few of them do not make it sure. Raises ValueError without both.
    """
    n_present, n_absent = int(present.sum()), int((~present).sum())
    if not n_present or not n_absent:
        raise ValueError(f"present must hold both, got {n_present} present and {n_absent} absent")
    scores = logits(held_out)
    targets = np.where(present, (n_present + 1) / (n_present + 2), 1 / (n_absent + 2))

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        found = at[0] * scores + at[1]
        rest = expit(found) - targets
        return float((np.logaddexp(0, found) - targets * found).sum()), np.array([rest @ scores, rest.sum()])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)])
    return PlattScaling(float(found.x[0]), float(found.x[1]))


def logits(probabilities: Float32Array) -> Float64Array:
    """log(p / (1 - p)), finite for a hard 0 and 1 too."""
    return np.asarray(logit(np.clip(probabilities.astype(np.float64), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)))
