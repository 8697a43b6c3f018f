"""Soft labels whose classes have the sizes that they should have: SeLa from probabilities, SwAV from prototypes."""

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, check_embeddings, unit_rows
from windrow.tasks.algorithms.labels.cores.sinkhorn import LogMatrix, scale, scaled_rows
from windrow.tasks.algorithms.labels.folds import check_pool, labelled_rows
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


def sela_labels(
    probabilities: Float32Array | SparseProbabilities,
    power: float = 25.0,
    marginal: Float64Array | None = None,
    labels: Int64Array | None = None,
    tolerance: float = 1e-4,
    max_iters: int = 2000,
) -> Float32Array:
    """Soft labels Q (n, n_classes), rows summing to 1, of P^power scaled so that the classes' shares are `marginal`.

    Asano et al. 2020, Self-labelling via simultaneous clustering and representation learning, equation 5: the Q with
    these marginals that maximises power * sum Q log P + entropy(Q). power 1 is the least change (in Kullback-Leibler
    divergence) of P to the marginal; a large one gives the balanced hard assignment. The paper's 25 is for clustering.
    marginal: shares (n_classes,), equal if None; a class with share 0 gets nothing. labels: int64 (n,), -1 for
    unlabelled; a labelled sample keeps its label, and counts in the marginal. A probability of 0 counts as 1e-7. Raises
    NotConvergedError.
    """
    if not power > 0:
        raise ValueError(f"power must be positive, got {power}")
    n, n_classes = shape_of(probabilities)

    def log_matrix(rows: slice) -> Float64Array:
        return clamp(power * log_rows(probabilities, rows), labels, rows)

    check_labels(labels, n, n_classes)
    return _balance(log_matrix, n, class_shares(marginal, n_classes), tolerance, max_iters)


def swav_codes(
    embeddings: npt.NDArray[Any],
    prototypes: npt.NDArray[Any],
    eps: float = 0.05,
    marginal: Float64Array | None = None,
    tolerance: float = 1e-4,
    max_iters: int = 2000,
) -> Float32Array:
    """Codes Q (n, k), rows summing to 1: exp(cosine / eps) with prototypes (k, d), scaled to shares `marginal` (k,).

    Caron et al. 2020, Unsupervised learning of visual features by contrasting cluster assignments, equations 3 and 4;
    there three iterations on a batch, here to convergence on the pool. The cosines are computed anew in every
    iteration, so that nothing (n, k) is held but the answer. eps to 0 gives the balanced hard assignment. Raises
    NotConvergedError, the more easily the smaller eps.
    """
    check_embeddings("embeddings", embeddings)
    check_embeddings("prototypes", prototypes)
    if embeddings.shape[1] != prototypes.shape[1]:
        raise ValueError(f"embeddings have {embeddings.shape[1]} dimensions and prototypes {prototypes.shape[1]}")
    if not eps > 0:
        raise ValueError(f"eps must be positive, got {eps}")
    columns = unit_rows(prototypes)[0].T

    def log_matrix(rows: slice) -> Float64Array:
        return np.asarray(unit_rows(embeddings[rows])[0] @ columns / eps)

    return _balance(log_matrix, len(embeddings), class_shares(marginal, len(prototypes)), tolerance, max_iters)


def class_shares(marginal: Float64Array | None, n_classes: int) -> Float64Array:
    """A marginal (n_classes,) divided by its sum; equal shares if None. Raises ValueError unless it can be shares."""
    if marginal is None:
        return np.full(n_classes, 1.0 / n_classes)
    shares = np.asarray(marginal, dtype=np.float64)
    if shares.shape != (n_classes,) or not np.isfinite(shares).all() or shares.min() < 0 or not shares.sum() > 0:
        raise ValueError(f"marginal must be {n_classes} numbers from 0, not all 0, got {marginal}")
    return np.asarray(shares / shares.sum())


def check_marginal(marginal: tuple[float, ...] | None) -> None:
    """Raise ValueError, naming the setting, unless some share is above 0 (and none infinite), or it is None."""
    if marginal is not None and not 0 < sum(marginal) < np.inf:
        raise ValueError(f"marginal: wants finite shares that are not all 0, or null, got {marginal}")


def shape_of(probabilities: Float32Array | SparseProbabilities) -> tuple[int, int]:
    """How many samples and classes. Raises ValueError unless there is one or more of both, not negative and finite."""
    if isinstance(probabilities, SparseProbabilities):
        return len(probabilities), probabilities.n_classes
    if probabilities.ndim != 2 or not probabilities.size:
        raise ValueError(f"probabilities must have shape (n, n_classes), got {probabilities.shape}")
    if not (probabilities >= 0).all() or not np.isfinite(probabilities).all():
        row = int(np.flatnonzero(~((probabilities >= 0) & np.isfinite(probabilities)).all(axis=1))[0])
        raise ValueError(f"probabilities must be finite numbers from 0, row {row} is not")
    return probabilities.shape[0], probabilities.shape[1]


def log_rows(probabilities: Float32Array | SparseProbabilities, rows: slice) -> Float64Array:
    """The logarithms (b, n_classes) of some rows; a probability below 1e-7 counts as that."""
    dense = probabilities.dense(rows) if isinstance(probabilities, SparseProbabilities) else probabilities[rows]
    return np.log(np.maximum(dense.astype(np.float64), SMALLEST_PROBABILITY))


def check_labels(labels: Int64Array | None, n: int, n_classes: int) -> None:
    """Raise ValueError unless labels is None or holds a label or -1 for each of n samples, and at least one label."""
    if labels is not None:
        labelled_rows(labels, n_classes)
        check_pool(np.empty(n), labels)


def clamp(logs: Float64Array, labels: Int64Array | None, rows: slice) -> Float64Array:
    """The logarithms (b, n_classes) with 0 at the label and -inf elsewhere in the rows that are labelled."""
    if labels is None:
        return logs
    own = labels[rows]
    known = np.flatnonzero(own >= 0)
    logs[known] = -np.inf
    logs[known, own[known]] = 0.0
    return logs


def _balance(log_matrix: LogMatrix, n: int, shares: Float64Array, tolerance: float, max_iters: int) -> Float32Array:
    scaling = scale(log_matrix, np.full(n, 1.0 / n), shares, tolerance=tolerance, max_iters=max_iters)
    balanced = np.empty((n, len(shares)), dtype=np.float32)
    for rows, logs in scaled_rows(log_matrix, scaling):
        balanced[rows] = n * np.exp(logs)
    return balanced
