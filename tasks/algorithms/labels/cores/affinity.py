"""The pool's nearest-neighbour graph as weights, and what spreads along it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int32Array, Int64Array
from windrow.tasks.algorithms.labels.probabilities import normalise_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

if TYPE_CHECKING:
    from scipy import sparse


NEW_STEPS, NEW_TOLERANCE = 100, 1e-6


@dataclass(frozen=True)
class LocalMatrix:
    """A symmetric matrix (n, n) whose rows and columns lie in an order in which those that are tied lie near.

    matrix: in that order; order: int32 (n,), which row is at each place. The order of samples is that of digests, so
    that a product reads all over its other factor: where that is larger than a cache, at a million rows, it takes three
    times as long as in this order. Every sum is of the same numbers in the same order, so products are to the bit those
    of the matrix as it came.
    """

    matrix: sparse.csr_array
    order: Int32Array

    @classmethod
    def of(cls, matrix: sparse.csr_array) -> LocalMatrix:
        """By the reverse of Cuthill and McKee's order (1969); as they come where indices take 64 bits."""
        from scipy import sparse
        from scipy.sparse.csgraph import reverse_cuthill_mckee

        if matrix.indices.dtype != np.int32:
            return cls(matrix, np.arange(matrix.shape[0], dtype=np.int32))
        order = reverse_cuthill_mckee(matrix, symmetric_mode=True)
        rows = cls(matrix[order], order)
        columns = rows.place[rows.matrix.indices]
        return cls(sparse.csr_array((rows.matrix.data, columns, rows.matrix.indptr), shape=matrix.shape), order)

    @property
    def place(self) -> Int32Array:
        """Where each row is, int32 (n,): the inverse of `order`."""
        place = np.empty_like(self.order)
        place[self.order] = np.arange(len(self.order), dtype=self.order.dtype)
        return place

    def restored(self, values: Float64Array) -> Float64Array:
        """Values (n, c) that lie in this order, in the order of the samples."""
        found = np.empty_like(values)
        found[self.order] = values
        return found


def normalised_affinity(graph: NeighborGraph, gamma: float) -> sparse.csr_array:
    """S = D^-1/2 (A + A') D^-1/2 (n, n), symmetric, eigenvalues from -1 to 1; zero where a sample has no affinity."""
    from scipy import sparse

    weights = affinity(graph, gamma)
    degree = np.asarray(weights.sum(axis=1)).ravel()
    scale = np.divide(1.0, np.sqrt(degree), out=np.zeros(len(degree)), where=degree > 0)
    return (sparse.diags_array(scale) @ weights @ sparse.diags_array(scale)).tocsr()


def least_eigenvalue(matrix: sparse.csr_array, n_steps: int = 30) -> float:
    """The least eigenvalue of a symmetric matrix (n, n), by Lanczos's steps from a seeded start: a little above it."""
    from scipy.linalg import eigvalsh_tridiagonal

    n = matrix.shape[0]
    before, vector = np.zeros(n), np.random.default_rng(0).standard_normal(n)
    vector /= np.linalg.norm(vector)
    along: list[float] = []
    between: list[float] = [0.0]
    for _ in range(min(n_steps, n)):
        step = matrix @ vector - between[-1] * before
        along.append(float(step @ vector))
        step -= along[-1] * vector
        between.append(float(np.linalg.norm(step)))
        if between[-1] < 1e-9:
            break
        before, vector = vector, step / between[-1]
    return float(eigvalsh_tridiagonal(along, between[1 : len(along)])[0])


def affinity(graph: NeighborGraph, gamma: float) -> sparse.csr_array:
    """W = A + A' (n, n), symmetric, A_ij = max(cos_ij, 0)^gamma over the neighbours of i."""
    from scipy import sparse

    n, k = graph.indices.shape
    # A slot without a neighbour (index -1, similarity -inf) becomes affinity 0 with row 0.
    weights = np.maximum(graph.similarity.astype(np.float64), 0.0).ravel() ** gamma
    # Products take half of the time with half as long indices.
    places = np.int32 if 2 * n * k < 2**31 else np.int64
    starts = np.arange(0, n * k + 1, k, dtype=places)
    directed = sparse.csr_array((weights, np.maximum(graph.indices, 0).ravel().astype(places), starts), shape=(n, n))
    return (directed + directed.T).tocsr()


def affinity_of(graph: NeighborGraph, gamma: float, rows: Int64Array) -> tuple[sparse.csr_array, Float64Array]:
    """The rows (k, n) of `affinity`, and the sums of all its rows (n,), without making the others; rows: int64 (k,)."""
    from scipy import sparse

    n, k = graph.indices.shape
    weights = np.maximum(graph.similarity.astype(np.float64), 0.0) ** gamma
    indices = np.maximum(graph.indices, 0)
    place = np.full(n, -1, np.int64)
    place[rows] = np.arange(len(rows))
    from_others, column = np.nonzero(place[indices] >= 0)
    own = np.repeat(np.arange(len(rows)), k)
    row = np.concatenate([own, place[indices[from_others, column]]])
    of = np.concatenate([indices[rows].ravel(), from_others])
    values = np.concatenate([weights[rows].ravel(), weights[from_others, column]])
    degree = weights.sum(axis=1) + np.bincount(indices.ravel(), weights.ravel(), minlength=n)
    return sparse.csr_array((values, (row, of)), shape=(len(rows), n)), degree


def spread(smoother: LocalMatrix, seeds: Float64Array, alpha: float, tolerance: float) -> Float64Array:
    """F = (1 - alpha) (I - alpha S)^-1 Y for S (n, n) and Y (n, columns), but for `tolerance` times the norm of Y.

    Chebyshev's acceleration of F <- alpha S F + (1 - alpha) Y (Golub and Varga 1961).

    Its coefficients depend on alpha alone: no inner products, so a class's column is the same with and without others,
    and after t steps the error has shrunk by 2 r^t with r = alpha / (1 + sqrt(1 - alpha^2)).
    """
    rate = alpha / (1.0 + math.sqrt(1.0 - alpha * alpha))
    seeds = seeds[smoother.order]
    previous = np.zeros_like(seeds)
    current = (1.0 - alpha) * seeds
    omega = 2.0
    for _ in range(math.ceil(math.log(tolerance / 2.0) / math.log(rate))):
        omega = 1.0 / (1.0 - alpha * alpha * omega / 4.0)
        step = alpha * (smoother.matrix @ current) + (1.0 - alpha) * seeds
        previous, current = current, omega * (step - previous) + previous
    # The polynomial may leave a trace below 0 where the limit is almost 0.
    return smoother.restored(np.maximum(current, 0.0))


def spread_to_new(
    graph: NeighborGraph, labels: Int64Array, new: Int64Array, said: Float32Array, alpha: float, gamma: float
) -> Float32Array:
    """Shares float32 (k, c) of the rows `new`, int64 (k,), from what was said (n, c) of all others, which stays.

    f_i = sum_j W_ij f_j / sum_j W_ij over its neighbours j, old ones as they were told and new ones as they are being
    told (Delalleau, Bengio and Le Roux 2005, Efficient non-parametric function induction in semi-supervised learning,
    equation 7); of a row with a label, alpha of that and 1 - alpha of its label. A row that hears nothing gets uniform
    shares. labels: int64 (n,), -1 for a row without one.
    """
    weights, _ = affinity_of(graph, gamma, new)
    total = np.asarray(weights.sum(axis=1)).ravel()
    fixed = said.astype(np.float64)
    fixed[new] = 0.0
    from_fixed, among = weights @ fixed, weights[:, new]
    own = labels[new]
    stays = np.where(own < 0, 1.0, alpha)
    heard = np.divide(stays, total, out=np.zeros(len(new)), where=total > 0)[:, None]
    seeds = (own[:, None] == np.arange(said.shape[1])) * (1.0 - stays)[:, None]
    shares = seeds.copy()
    for _ in range(NEW_STEPS):
        before = shares
        shares = heard * (from_fixed + among @ before) + seeds
        if np.abs(shares - before).max(initial=0.0) <= NEW_TOLERANCE:
            break
    return normalise_rows(shares)
