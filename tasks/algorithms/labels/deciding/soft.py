"""Everything labelled, the unsure with less weight (SoftMatch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt

from windrow.tasks.algorithms.arrays import Float32Array
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Policy, Predictions
from windrow.tasks.algorithms.labels.pool_statistics import pool_mean


@dataclass(frozen=True)
class Soft(Policy):
    """`spread`: how slowly weights fall below the mean confidence."""

    spread: Annotated[float, Gt(0)] = 0.5

    def decide(self, said: Predictions) -> Decision:
        """Return all labels, each with its weight."""
        return said.given(np.ones(len(said.label), np.bool_), soft_weights(said.confidence, self.spread))


def soft_weights(confidence: Float32Array, spread: float = 0.5) -> Float32Array:
    """Return weights (n,) by confidence (n,): 1 from the pool's mean up, a Gaussian's flank below it.

    Chen et al. 2023, SoftMatch, equation 7: exp(-(confidence - mean)^2 / (2 (spread deviation)^2)) below the mean, with
    the pool's mean and (population) variance for the moving averages. spread 1 is the formula of the paper; 0.5 is what
    its published settings amount to (the variance divided by 2^2). Nothing is abstained from; where all confidences are
    equal, all weights are 1.
    """
    if confidence.ndim != 1:
        raise ValueError(f"confidence must have shape (n,), got {confidence.shape}")
    if not spread > 0:
        raise ValueError(f"spread must be positive, got {spread}")
    if not len(confidence):
        return np.empty(0, dtype=np.float32)
    mean = pool_mean(len(confidence), lambda rows: confidence[rows])
    variance = pool_mean(len(confidence), lambda rows: (confidence[rows] - mean) ** 2)
    below = np.minimum(confidence - mean, 0.0)
    width = 2.0 * spread**2 * float(variance)
    exponent = np.divide(below**2, width, out=np.zeros(len(confidence)), where=width > 0)
    return np.asarray(np.exp(-exponent), dtype=np.float32)
