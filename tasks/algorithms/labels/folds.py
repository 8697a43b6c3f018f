"""The labels that makers start from, and what a maker says of labelled samples by the labels of others.

Labels are int64 (n,) in pool order, from 0 to n_classes - 1, and -1 where a sample is not labelled.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array

# labels (n,) and the rows (m,) wanted -> probabilities (m, n_classes)
Predict = Callable[[Int64Array, Int64Array], Float32Array]


def labelled_rows(labels: Int64Array, n_classes: int) -> Int64Array:
    """Positions of the labelled rows, ascending. Raises ValueError unless labels is int64 (n,), -1 to n_classes - 1."""
    if labels.ndim != 1 or labels.dtype != np.int64:
        raise ValueError(f"labels must be int64 of shape (n,), got {labels.dtype} of shape {labels.shape}")
    if n_classes < 1:
        raise ValueError(f"n_classes must be positive, got {n_classes}")
    if len(labels) and not -1 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(f"labels must be from -1 to {n_classes - 1}, got {labels.min()} to {labels.max()}")
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        raise ValueError("labels must hold at least one label, all are -1")
    return rows


def check_pool(embeddings: npt.NDArray[Any], labels: Int64Array) -> None:
    """Raise ValueError unless there is one label (or -1) for each row of the pool."""
    if len(embeddings) != len(labels):
        raise ValueError(f"labels must have one entry for each of the {len(embeddings)} rows, got {len(labels)}")


def assign_folds(labels: Int64Array, n_folds: int, seed: int) -> Int64Array:
    """A fold (n,) from 0 to n_folds - 1 for each labelled row, -1 for the others.

    Stratified: within a class, and in total, the folds' sizes differ by at most one.
    """
    folds = np.full(len(labels), -1, dtype=np.int64)
    rng = np.random.default_rng(seed)
    dealt = 0
    for label in np.unique(labels[labels >= 0]):
        rows = rng.permutation(np.flatnonzero(labels == label))
        folds[rows] = (dealt + np.arange(len(rows))) % n_folds
        dealt += len(rows)
    return folds


def cross_fit(predict: Predict, labels: Int64Array, n_classes: int, n_folds: int = 5, seed: int = 0) -> Float32Array:
    """Out-of-sample probabilities (n_labelled, n_classes) of the labelled rows, in their order in the pool.

    Each is predicted from the labels of the other folds only, so it can be compared with the row's own label. The one
    label of a class with a single one cannot be predicted: that row's probability for its class is 0 or close to it.
    """
    rows = labelled_rows(labels, n_classes)
    if n_folds < 2:
        raise ValueError(f"n_folds must be at least 2, got {n_folds}")
    if len(rows) < 2:
        raise ValueError("labels must hold at least two labels to leave one out")
    folds = assign_folds(labels, n_folds, seed)
    probabilities = np.empty((len(rows), n_classes), dtype=np.float32)
    for fold in np.unique(folds[rows]):
        left_out = folds == fold
        probabilities[left_out[rows]] = predict(np.where(left_out, -1, labels), np.flatnonzero(left_out))
    return probabilities
