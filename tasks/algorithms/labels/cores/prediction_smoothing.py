"""Given predictions, smoothed along the nearest-neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, over_columns, row_blocks
from windrow.tasks.algorithms.labels.cores.affinity import (
    LocalMatrix,
    affinity_of,
    least_eigenvalue,
    normalised_affinity,
)
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

if TYPE_CHECKING:
    from scipy import sparse


@dataclass(frozen=True)
class SmoothedPredictions:
    """probabilities: float32 (n, n_classes), after n_iters damped steps.

    gap: the most by which a probability differs from what its neighbours' make it, see `undamped_step`; converged:
    whether that is at most the tolerance.
    """

    probabilities: Float32Array
    n_iters: int
    gap: float
    converged: bool


@dataclass(frozen=True)
class Ties:
    """The `normalised_affinity` (n, n) of a graph, and by how much its samples may pull each other apart: a bound, from
    0 to 1, on how far its eigenvalues lie below 0.
    """

    local: LocalMatrix
    apart: float

    @property
    def affinity(self) -> sparse.csr_array:
        """Of the samples in the order of `local`."""
        return self.local.matrix

    @classmethod
    def of(cls, graph: NeighborGraph, gamma: float = 3.0) -> Ties:
        """Those of a graph. Raises ValueError unless gamma is positive."""
        if not gamma > 0:
            raise ValueError(f"gamma must be positive, got {gamma}")
        affinity = normalised_affinity(graph, gamma)
        # In sixteenths: the last bits of a product do not decide how far a step goes.
        apart = float(np.clip(np.ceil(1 - 16 * least_eigenvalue(affinity)) / 16, 0.0, 1.0))
        return cls(LocalMatrix.of(affinity), apart)


def smooth_predictions(
    ties: Ties,
    probabilities: Float32Array,
    strength: float = 2.0,
    tolerance: float = 1e-6,
    max_iters: int = 300,
) -> SmoothedPredictions:
    """The z that minimise sum_i KL(z_i || q_i) - strength / 2 sum_ij S_ij z_i . z_j, rows (n, n_classes) summing to 1.

    LAME: Boudiaf et al. 2022, Parameter-free online test-time adaptation, over one graph of the whole pool instead of a
    batch, so that no label depends on who else was in the batch. q are the given probabilities and S the
    `normalised_affinity`, whose rows weigh about 1: strength is the number of neighbours in LAME's unweighted sum. A
    minimum has z = softmax(log q + strength S z); 0 gives q back. The steps are damped (see `damped_step`), so that the
    objective never rises, and all rows that are not at rest move at once: permuting the pool permutes the answer. A
    probability of 0 counts as 1e-7, or a row that was sure would never hear its neighbours; a class that has 0
    everywhere keeps it.
    Memory: four float64 arrays (n, n_classes), 32 bytes a sample and class.
    """
    _check(probabilities, ties.affinity.shape[0], strength, tolerance, max_iters)
    known = np.flatnonzero(probabilities.any(axis=0))
    logits = _logits(probabilities[:, known])[ties.local.order]
    moving = _Moving(ties, logits, strength)
    for n_iters in range(max_iters + 1):
        gap = moving.look(tolerance)
        if gap <= tolerance or n_iters == max_iters:
            break
        moving.step()
    smoothed = np.zeros(probabilities.shape, dtype=np.float32)
    smoothed[:, known] = ties.local.restored(moving.shares)
    return SmoothedPredictions(smoothed, n_iters, gap, gap <= tolerance)


class _Moving:
    """Rows on their way to rest. Those at rest none of whose neighbours moved stay there and are not looked at: most
    steps are of few rows.
    """

    def __init__(self, ties: Ties, logits: Float64Array, strength: float) -> None:
        self.ties, self.logits, self.strength = ties, logits, strength
        self.shares, self.log_shares = _with_logs(logits)
        self.looked_at = np.arange(len(logits))
        self.moved: list[tuple[Int64Array, Float64Array]] = []

    def look(self, tolerance: float) -> float:
        """Find the rows that are farther than the tolerance from rest, and where they go; return the gap."""
        self.moved, most = [], 0.0
        for block in row_blocks(len(self.looked_at)):
            rows = self.looked_at[block]
            heard = self.ties.affinity[rows] @ self.shares
            rest, _ = _with_logs(self.logits[rows] + self.strength * heard)
            gaps = over_columns(np.maximum, np.abs(rest - self.shares[rows]))
            far = np.flatnonzero(gaps > tolerance)
            to = (self.logits[rows[far]], heard[far], self.log_shares[rows[far]], self.strength, self.ties.apart)
            self.moved.append((rows[far], damped_logits(*to)))
            most = max(most, float(gaps.max()))
        return most

    def step(self) -> None:
        """Let them go there, all at once."""
        near = np.zeros(len(self.shares), np.bool_)
        for rows, logits in self.moved:
            self.shares[rows], self.log_shares[rows] = _with_logs(logits)
            near[rows] = True
            near[self.ties.affinity[rows].indices] = True
        self.looked_at = np.flatnonzero(near)


def _with_logs(logits: Float64Array) -> tuple[Float64Array, Float64Array]:
    """The softmax (n, c) of logits, and its logarithms."""
    logs = logits - over_columns(np.maximum, logits)[:, None]
    powers = np.exp(logs)
    total = over_columns(np.add, powers)[:, None]
    return powers / total, logs - np.log(total)


def smooth_new(
    graph: NeighborGraph,
    probabilities: Float32Array,
    new: Int64Array,
    said: Float32Array,
    strength: float = 2.0,
    gamma: float = 3.0,
    tolerance: float = 1e-6,
    max_iters: int = 300,
) -> Float32Array:
    """The z (k, n_classes) of the rows `new`, int64 (k,), that minimise the objective of `smooth_predictions` where the
    z of all others stay as they are.

    probabilities: of the new rows, (k, n_classes); said: (n, n_classes), the others' z, what it holds of the new ones
    is not read. A step costs what the edges of the new rows do.
    """
    n = len(graph.indices)
    _check(probabilities, len(new), strength, tolerance, max_iters)
    if not gamma > 0:
        raise ValueError(f"gamma must be positive, got {gamma}")
    if said.shape != (n, probabilities.shape[1]):
        raise ValueError(f"said must be ({n}, {probabilities.shape[1]}), a row for each of the graph, got {said.shape}")
    weights, degree = affinity_of(graph, gamma, new)
    scale = np.divide(1.0, np.sqrt(degree), out=np.zeros(n), where=degree > 0)
    affinity = weights.multiply(scale[new][:, None]).multiply(scale).tocsr()
    fixed = said.astype(np.float64)
    fixed[new] = 0.0
    heard_of_fixed, among = affinity @ fixed, affinity[:, new]
    logits = _logits(probabilities)
    shares = softmax(logits, axis=1)
    for _ in range(max_iters):
        heard = heard_of_fixed + among @ shares
        if np.abs(undamped_step(logits, heard, strength) - shares).max(initial=0.0) <= tolerance:
            break
        shares = damped_step(logits, heard, shares, strength)
    shares[:, ~(probabilities.any(axis=0) | said.any(axis=0))] = 0.0
    return np.asarray(shares, np.float32)


def _check(probabilities: Float32Array, n: int, strength: float, tolerance: float, max_iters: int) -> None:
    if probabilities.ndim != 2 or len(probabilities) != n:
        raise ValueError(
            f"probabilities must be ({n}, n_classes), a row for each of the graph, got {probabilities.shape}"
        )
    if not (np.all(probabilities >= 0) and np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-3)):
        raise ValueError("probabilities must be at least 0 and have rows of sum 1")
    if not strength >= 0:
        raise ValueError(f"strength must be at least 0, got {strength}")
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must be between 0 and 1, got {tolerance}")
    if max_iters < 1:
        raise ValueError(f"max_iters must be positive, got {max_iters}")


def _logits(probabilities: Float32Array) -> Float64Array:
    return np.asarray(np.log(np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY)))


def undamped_step(logits: Float64Array, heard: Float64Array, strength: float) -> Float64Array:
    """softmax(logits + strength heard) (n, c). Shares that it gives back are at rest, however sure they are."""
    return np.asarray(softmax(logits + strength * heard, axis=1))


def damped_step(logits: Float64Array, heard: Float64Array, shares: Float64Array, strength: float) -> Float64Array:
    """One step to a minimum over the simplex of sum z (log z - logits) - strength / 2 sum_ij S_ij z_i . z_j.

    heard: S shares. The undamped step descends only where S has no negative eigenvalue. See `damped_logits`.
    """
    stay = np.log(np.maximum(shares, np.finfo(np.float64).tiny))
    return np.asarray(softmax(damped_logits(logits, heard, stay, strength), axis=1))


def damped_logits(
    logits: Float64Array, heard: Float64Array, log_shares: Float64Array, strength: float, apart: float = 1.0
) -> Float64Array:
    """Whose softmax `damped_step` is. apart, from 0 to 1: no eigenvalue of S is below -apart.

    -z'Sz = -z'(S + apart I)z + apart |z|^2. The first term is concave, so its tangent is above it; the second exceeds
    its own tangent by apart |z - shares|^2 <= apart KL(z || shares) (Pinsker's inequality, and |v|_2^2 <= |v|_1^2 / 2
    for a v of sum 0). What is minimised here is that bound, row by row, so the objective cannot rise, whichever rows
    take the step.
    """
    stay = 0.5 * strength * apart
    return np.asarray((logits + strength * heard + stay * log_shares) / (1.0 + stay))
