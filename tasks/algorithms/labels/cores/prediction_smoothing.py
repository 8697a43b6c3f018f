"""Given predictions, smoothed along the nearest-neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.cores.affinity import affinity_of, normalised_affinity
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph


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


def smooth_predictions(
    graph: NeighborGraph,
    probabilities: Float32Array,
    strength: float = 2.0,
    gamma: float = 3.0,
    tolerance: float = 1e-6,
    max_iters: int = 300,
) -> SmoothedPredictions:
    """The z that minimise sum_i KL(z_i || q_i) - strength / 2 sum_ij S_ij z_i . z_j, rows (n, n_classes) summing to 1.

    LAME: Boudiaf et al. 2022, Parameter-free online test-time adaptation, over one graph of the whole pool
    instead of a batch, so that no label depends on who else was in the batch. q are the given probabilities and S the
    `normalised_affinity`, whose rows weigh about 1: strength is the number of neighbours in LAME's unweighted
    sum. A minimum has z = softmax(log q + strength S z); 0 gives q back. The steps are damped (see `damped_step`), so
    that the objective never rises, and all rows move at once: permuting the pool permutes the answer. A probability of
    0 counts as 1e-7, or a row that was sure would never hear its neighbours; a class that has 0 everywhere keeps it.
    Memory: three float64 arrays (n, n_classes), 24 bytes a sample and class.
    """
    n = len(graph.indices)
    _check(probabilities, n, strength, gamma, tolerance, max_iters)
    affinity = normalised_affinity(graph, gamma)
    known = np.flatnonzero(probabilities.any(axis=0))
    logits = _logits(probabilities[:, known])
    shares = softmax(logits, axis=1)
    for n_iters in range(max_iters + 1):
        moved, gap = np.empty_like(shares), 0.0
        for block in row_blocks(n):
            heard = affinity[block] @ shares
            rest = undamped_step(logits[block], heard, strength)
            gap = max(gap, float(np.abs(rest - shares[block]).max()))
            moved[block] = damped_step(logits[block], heard, shares[block], strength)
        if gap <= tolerance or n_iters == max_iters:
            break
        shares = moved
    smoothed = np.zeros(probabilities.shape, dtype=np.float32)
    smoothed[:, known] = shares
    return SmoothedPredictions(smoothed, n_iters, gap, gap <= tolerance)


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
    _check(probabilities, len(new), strength, gamma, tolerance, max_iters)
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


def _check(
    probabilities: Float32Array, n: int, strength: float, gamma: float, tolerance: float, max_iters: int
) -> None:
    if probabilities.ndim != 2 or len(probabilities) != n:
        raise ValueError(
            f"probabilities must be ({n}, n_classes), a row for each of the graph, got {probabilities.shape}"
        )
    if not (np.all(probabilities >= 0) and np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-3)):
        raise ValueError("probabilities must be at least 0 and have rows of sum 1")
    if not strength >= 0:
        raise ValueError(f"strength must be at least 0, got {strength}")
    if not gamma > 0:
        raise ValueError(f"gamma must be positive, got {gamma}")
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

    heard: S shares. The undamped step descends only where S has no negative eigenvalue.
    Ours are at least -1: -z'Sz = -z'(S + I)z + |z|^2. The first term is concave, so its tangent is above it; the second
    exceeds its own tangent by |z - shares|^2 <= KL(z || shares) (Pinsker's inequality, and |v|_2^2 <= |v|_1^2 / 2 for a
    v of sum 0). What is minimised here is that bound, so the objective cannot rise.
    """
    stay = np.log(np.maximum(shares, np.finfo(np.float64).tiny))
    return np.asarray(softmax((logits + strength * heard + 0.5 * strength * stay) / (1.0 + 0.5 * strength), axis=1))
