"""What the label makers share: the labels they start from, out-of-sample probabilities, and their ensemble.

A label maker turns a few labels into probabilities (n, n_classes) over the whole pool. Labels are int64 (n,) in pool
order, from 0 to n_classes - 1, and -1 where a sample is not labelled; a class without labels gets probability 0.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array

# labels (n,) and the rows (m,) wanted -> probabilities (m, n_classes)
LabelMaker = Callable[[Int64Array, Int64Array], Float32Array]
Mean = Literal["arithmetic", "geometric"]
# Makers that learn from the labels; those that cluster without them, and only name the clusters by them; and those that
# need one thing more: texts of the classes, the sources of the samples.
LearnerName = Literal[
    "knn",
    "propagation",
    "probe",
    "prototypes",
    "smoothed",
    "smoothed_probe",
    "naive_bayes",
    "spectral",
    "transductive",
    "transport",
    "mlp",
    "iterative",
]
ClustererName = Literal["scan", "depict", "sela", "swav", "p2ot", "sp2ot"]
MakerName = Literal[LearnerName, ClustererName, "zero_shot", "sources"]
LEARNERS: tuple[LearnerName, ...] = get_args(LearnerName)
CLUSTERERS: tuple[ClustererName, ...] = get_args(ClustererName)
MAKERS: tuple[MakerName, ...] = get_args(MakerName)

# A float32 probability below this says no more than 0 does. Logarithms start from it, so that a hard 0 is not a veto.
SMALLEST_PROBABILITY = 1e-7


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


def normalise_rows(scores: Float64Array) -> Float32Array:
    """Non-negative scores (n, n_classes) divided by their row's sum; a row of zeros becomes uniform."""
    total = scores.sum(axis=1, keepdims=True)
    shares: Float64Array = np.divide(scores, total, out=np.full_like(scores, 1.0 / scores.shape[1]), where=total > 0)
    return shares.astype(np.float32)


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


def cross_fit(maker: LabelMaker, labels: Int64Array, n_classes: int, n_folds: int = 5, seed: int = 0) -> Float32Array:
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
        probabilities[left_out[rows]] = maker(np.where(left_out, -1, labels), np.flatnonzero(left_out))
    return probabilities


def ensemble(
    probabilities: Sequence[Float32Array], weights: Sequence[float] | None = None, mean: Mean = "arithmetic"
) -> Float32Array:
    """The weighted mean (n, n_classes) of several makers' probabilities, rows summing to 1; equal weights if None.

    arithmetic: a linear pool, confident where any maker is. geometric: a logarithmic pool, confident where all agree.
    """
    shares = [1.0] * len(probabilities) if weights is None else list(weights)
    if not probabilities or len({p.shape for p in probabilities}) != 1:
        raise ValueError(
            f"probabilities must be one or more arrays of one shape, got {[p.shape for p in probabilities]}"
        )
    if len(shares) != len(probabilities) or min(shares) < 0 or sum(shares) <= 0:
        raise ValueError(f"weights must be {len(probabilities)} numbers from 0, not all 0, got {shares}")
    if mean not in ("arithmetic", "geometric"):
        raise ValueError(f"mean must be 'arithmetic' or 'geometric', got {mean!r}")
    total = np.zeros(probabilities[0].shape, dtype=np.float64)
    for share, each in zip(shares, probabilities, strict=True):
        wide = each.astype(np.float64)
        total += (
            share / sum(shares) * (wide if mean == "arithmetic" else np.log(np.maximum(wide, SMALLEST_PROBABILITY)))
        )
    return normalise_rows(total if mean == "arithmetic" else np.exp(total - total.max(axis=1, keepdims=True)))
