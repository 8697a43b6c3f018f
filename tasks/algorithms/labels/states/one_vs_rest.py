"""One logistic regression a class, all in one walk: each learns from the samples whose state of it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, check_embeddings, row_blocks
from windrow.tasks.algorithms.labels.cores.logistic_objective import (
    BLOCK,
    minimise_logistic,
    strip_sums,
    unit_float32,
)


@dataclass(frozen=True)
class OneVsRest:
    """Fitted: the logit of class c is (x / |x|) weights[:, c] + bias[c]; float64 (d, c) and (c,)."""

    weights: Float64Array
    bias: Float64Array

    def predict_proba(self, embeddings: npt.NDArray[Any]) -> Float32Array:
        """Probabilities (m, c) of embeddings (m, d), each class for itself."""
        found = np.empty((len(embeddings), len(self.bias)), np.float32)
        for rows in row_blocks(len(embeddings)):
            found[rows] = expit(unit_float32(embeddings[rows]).astype(np.float64) @ self.weights + self.bias)
        return found


def fit_one_vs_rest(
    embeddings: npt.NDArray[Any],
    rows: Int64Array,
    targets: npt.NDArray[Any],
    weights: Float32Array,
    penalty: float = 0.1,
) -> OneVsRest:
    """The regressions that minimise, each, sum_i weights_i cross-entropy_i + penalty / 2 ||w||^2; the bias is free.

    rows: int64 (m,), those of embeddings (n, d) to learn from, which are L2-normalised; targets (m, c): 1 and 0, and
    anything where weights (m, c) is 0, which masks what is not known. penalty: in samples (scikit-learn's 1 / C). The
    objective is convex and starts from 0: no seed. A class without weights gets the probability 1/2. Memory: the rows
    as float32, and two float32 arrays (m, c).
    """
    check_embeddings("embeddings", embeddings)
    if targets.shape != weights.shape or len(targets) != len(rows):
        raise ValueError(f"targets and weights must be ({len(rows)}, c), got {targets.shape} and {weights.shape}")
    if not penalty > 0:
        raise ValueError(f"penalty must be positive, got {penalty}")
    if not len(rows):
        return OneVsRest(np.zeros((embeddings.shape[1], targets.shape[1])), np.zeros(targets.shape[1]))
    features = np.empty((len(rows), embeddings.shape[1]), np.float32)
    for block in row_blocks(len(rows)):
        features[block] = unit_float32(embeddings[rows[block]])
    objective = _MaskedRows(features, targets.astype(np.float32), weights / np.float32(len(rows)))
    shape = (features.shape[1] + 1, targets.shape[1])
    table = minimise_logistic(objective, shape, penalty / len(rows), shaped=4 * len(rows) > features.shape[1])
    return OneVsRest(table[:-1], table[-1])


@dataclass(frozen=True)
class _MaskedRows:
    """The objective over unit rows (m, d), targets and weights (m, c); see `LogisticObjective`."""

    features: Float32Array
    targets: Float32Array
    weights: Float32Array

    def curvature(self) -> Float64Array:
        """That of all classes, for a walk in which every class has the mean of their weights."""
        d, n_classes = self.features.shape[1], self.targets.shape[1]
        total = np.zeros((d + 1, d + 1))
        for rows in row_blocks(len(self.features), BLOCK):
            wide = np.ones((len(self.features[rows]), d + 1), np.float32)
            wide[:, :-1] = self.features[rows]
            wide *= np.sqrt(self.weights[rows].mean(axis=1))[:, None]
            total += wide.T @ wide
        return np.asarray(total * (n_classes / 4))  # the curvature of a logistic loss is 1/4 at 0

    def likelihood(self, table: Float64Array) -> tuple[float, Float64Array]:
        def of_block(rows: slice) -> Float64Array:
            block = self.features[rows].astype(np.float64)
            targets, weights = self.targets[rows].astype(np.float64), self.weights[rows].astype(np.float64)
            logits = block @ table[:-1] + table[-1]
            loss = float((weights * (np.logaddexp(0, logits) - targets * logits)).sum())
            residual = weights * (expit(logits) - targets)
            return np.vstack([block.T @ residual, residual.sum(axis=0), np.full((1, table.shape[1]), loss)])

        summed = strip_sums(row_blocks(len(self.features), BLOCK), of_block, self.features.size * table.shape[1])
        return float(summed[-1, 0]), summed[:-1]
