"""Sums over the pool that do not depend on the order of its rows.

Each value is rounded to a multiple of 2^-32 and added as an integer: the sum is exact, so it is the same for every
order, block size and sharding. The rounding moves a mean by at most 2^-33, far less than a float32 holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float64Array, wide_blocks
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, SparseProbabilities, dense_rows

GRID = 2.0**32
# A sum of this many values of magnitude 1 still fits in int64.
MOST_ROWS = 2**31


def check_rows(name: str, probabilities: npt.NDArray[Any] | SparseProbabilities) -> None:
    """Raise ValueError, naming the argument, unless it has shape (n, n_classes) with at least one class."""
    if len(probabilities.shape) != 2 or not probabilities.shape[1]:
        raise ValueError(f"{name} must have shape (n, n_classes), got {probabilities.shape}")


def check_distribution(name: str, shares: npt.NDArray[Any], n_classes: int) -> None:
    """Raise ValueError, naming the argument, unless it holds n_classes numbers from 0 that sum to 1."""
    if shares.shape != (n_classes,) or not (shares >= 0).all() or abs(float(shares.sum()) - 1) > 1e-6:
        raise ValueError(f"{name} must be {n_classes} numbers from 0 that sum to 1, got {np.asarray(shares).tolist()}")


def pool_mean(n: int, values: Callable[[slice], npt.NDArray[Any]], n_classes: int = 1) -> Float64Array:
    """The mean over n rows (at least one, at most 2^31) of values(block), (rows, ...) of magnitude at most 1.

    n_classes: how many numbers a row has, for the size of the blocks.
    """
    if not 1 <= n <= MOST_ROWS:
        raise ValueError(f"the pool must have from 1 to {MOST_ROWS} rows, got {n}")
    total: npt.NDArray[np.int64] | None = None
    for block in wide_blocks(n, n_classes):
        added = np.rint(values(block).astype(np.float64) * GRID).astype(np.int64).sum(axis=0)
        total = added if total is None else total + added
    mean: Float64Array = np.asarray(total, dtype=np.float64) / GRID / n
    return mean


def mean_prediction(probabilities: Probabilities) -> Float64Array:
    """The mean (n_classes,) of probabilities (n, n_classes)."""
    check_rows("probabilities", probabilities)
    n, n_classes = probabilities.shape
    return pool_mean(n, lambda rows: dense_rows(probabilities, rows), n_classes)
