"""Labels spread along the nearest-neighbour graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.label_makers import check_pool, labelled_rows, normalise_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

if TYPE_CHECKING:
    from scipy import sparse

CLASS_BLOCK = 64


def label_propagation(
    graph: NeighborGraph,
    labels: Int64Array,
    n_classes: int,
    alpha: float = 0.9,
    gamma: float = 3.0,
    class_balanced: bool = True,
    tolerance: float = 1e-8,
    rows: Int64Array | None = None,
) -> Float32Array:
    """Probabilities (n, n_classes), the rows of F = (1 - alpha) (I - alpha S)^-1 Y divided by their sums.

    Zhou et al. 2004, Learning with local and global consistency: F <- alpha S F + (1 - alpha) Y with
    S = D^-1/2 W D^-1/2 and Y the labels as one-hot rows. W = A + A' with A_ij = max(cos_ij, 0)^gamma over the k
    nearest, as in Iscen et al. 2019, Label propagation for deep semi-supervised learning, equation 9. class_balanced
    divides each class's column of Y by its number of labels, so that every class spreads the same mass. F is off its
    limit by at most `tolerance` times the norm of Y. A sample that no label reaches gets uniform shares. rows: only
    these rows of the pool, in that order.
    """
    check_pool(graph.indices, labels)
    labelled = labelled_rows(labels, n_classes)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha}")
    if not gamma > 0:
        raise ValueError(f"gamma must be positive, got {gamma}")
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must be between 0 and 1, got {tolerance}")
    counts = np.bincount(labels[labelled], minlength=n_classes)
    smoother = normalised_affinity(graph, gamma)
    scores = np.empty((len(labels) if rows is None else len(rows), n_classes), dtype=np.float64)
    for start in range(0, n_classes, CLASS_BLOCK):
        classes = np.arange(start, min(start + CLASS_BLOCK, n_classes))
        seeds = (labels[:, None] == classes).astype(np.float64)
        if class_balanced:
            seeds /= np.maximum(counts[classes], 1)
        reached = spread(smoother, seeds, alpha, tolerance)
        scores[:, classes] = reached if rows is None else reached[rows]
    return normalise_rows(scores)


def normalised_affinity(graph: NeighborGraph, gamma: float) -> sparse.csr_array:
    """S = D^-1/2 (A + A') D^-1/2 (n, n), symmetric, eigenvalues from -1 to 1; zero where a sample has no affinity."""
    from scipy import sparse

    weights = affinity(graph, gamma)
    degree = np.asarray(weights.sum(axis=1)).ravel()
    scale = np.divide(1.0, np.sqrt(degree), out=np.zeros(len(degree)), where=degree > 0)
    return (sparse.diags_array(scale) @ weights @ sparse.diags_array(scale)).tocsr()


def affinity(graph: NeighborGraph, gamma: float) -> sparse.csr_array:
    """W = A + A' (n, n), symmetric, A_ij = max(cos_ij, 0)^gamma over the neighbours of i."""
    from scipy import sparse

    n, k = graph.indices.shape
    # A slot without a neighbour (index -1, similarity -inf) becomes affinity 0 with row 0.
    weights = np.maximum(graph.similarity.astype(np.float64), 0.0).ravel() ** gamma
    starts = np.arange(0, n * k + 1, k)
    directed = sparse.csr_array((weights, np.maximum(graph.indices, 0).ravel(), starts), shape=(n, n))
    return (directed + directed.T).tocsr()


def spread(smoother: sparse.csr_array, seeds: Float64Array, alpha: float, tolerance: float) -> Float64Array:
    """F = (1 - alpha) (I - alpha S)^-1 Y for S (n, n) and Y (n, columns), but for `tolerance` times the norm of Y.

    Chebyshev's acceleration of F <- alpha S F + (1 - alpha) Y (Golub and Varga 1961).

    Its coefficients depend on alpha alone: no inner products, so a class's column is the same with and without others,
    and after t steps the error has shrunk by 2 r^t with r = alpha / (1 + sqrt(1 - alpha^2)).
    """
    rate = alpha / (1.0 + math.sqrt(1.0 - alpha * alpha))
    previous = np.zeros_like(seeds)
    current = (1.0 - alpha) * seeds
    omega = 2.0
    for _ in range(math.ceil(math.log(tolerance / 2.0) / math.log(rate))):
        omega = 1.0 / (1.0 - alpha * alpha * omega / 4.0)
        step = alpha * (smoother @ current) + (1.0 - alpha) * seeds
        previous, current = current, omega * (step - previous) + previous
    # The polynomial may leave a trace below 0 where the limit is almost 0.
    return np.maximum(current, 0.0)
