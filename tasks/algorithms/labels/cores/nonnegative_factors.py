"""A table of counts as a product of two stochastic matrices: non-negative matrix factorisation, and its start."""

import numpy as np

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array

N_ITERS = 2000
TOLERANCE = 1e-12
TINY = np.finfo(np.float64).tiny


def nonnegative_factors(
    counts: Int64Array, n_factors: int, n_iters: int = N_ITERS
) -> tuple[Float64Array, Float64Array]:
    """left (m, n_factors) and right (n_factors, r), columns summing to 1, with left @ right close to counts (m, r).

    The columns of counts are divided by their sums first. Minimises the generalised Kullback-Leibler divergence by the
    multiplicative updates of Lee and Seung 2001, Algorithms for non-negative matrix factorization, theorem 2, which
    never raise it, from the rows that `anchor_rows` finds: no seed. Stops after n_iters, or when it hardly falls.
    """
    if counts.ndim != 2 or (counts.size and counts.min() < 0) or not np.all(counts.sum(axis=0) > 0):
        raise ValueError(f"counts must be (m, r), none negative, every column with some, got shape {counts.shape}")
    if not 1 <= n_factors <= min(counts.shape):
        raise ValueError(f"n_factors must be from 1 to {min(counts.shape)}, got {n_factors}")
    shares = counts / counts.sum(axis=0)
    right = shares[anchor_rows(counts, n_factors)] + 1e-3 * shares.mean()
    left = np.full((len(counts), n_factors), 1.0 / len(counts))
    # The anchors stay until left fits them: any factors between them and the mean may fit the table as well.
    left, right = descend(shares, left, right, n_iters, hold_right=True)
    return descend(shares, left, right, n_iters, hold_right=False)


def descend(
    shares: Float64Array, left: Float64Array, right: Float64Array, n_iters: int, hold_right: bool
) -> tuple[Float64Array, Float64Array]:
    """Multiplicative updates of left (m, k), and of right (k, r) unless it is held; none raises the divergence.

    shares: (m, r), columns summing to 1. Where right moves, the columns of both factors sum to 1 afterwards.
    """
    previous = np.inf
    for _ in range(n_iters):
        left = left * (_ratio(shares, left, right) @ right.T / right.sum(axis=1))
        if not hold_right:
            total = np.maximum(left.sum(axis=0), TINY)
            # The scale between the factors is free: with left's columns summing to 1, right's do after its step.
            left, right = left / total, right * total[:, None]
            right = right * (left.T @ _ratio(shares, left, right))
        cost = divergence(shares, left, right)
        if previous - cost <= TOLERANCE:
            break
        previous = cost
    return left, right


def divergence(table: Float64Array, left: Float64Array, right: Float64Array) -> float:
    """Generalised Kullback-Leibler divergence of table (m, r) from left @ right; 0 where they are equal."""
    product = left @ right
    seen = table > 0
    return float((table[seen] * np.log(table[seen] / product[seen])).sum() - table.sum() + product.sum())


def anchor_rows(counts: Int64Array, n_factors: int) -> Int64Array:
    """The n_factors rows of counts (m, r) that stand out most, each from those before, as the factors' purest rows.

    The successive projection algorithm (Araujo et al. 2001; Gillis and Vavasis 2014) on the rows divided by their sums:
    every row is then a mean of the factors' rows, so the longest, and the longest after projecting that away, are those
    factors, if each has a row of its own. Rows of few counts are mostly chance: each is drawn towards the mean row by
    one count a column, and lies closer to it the fewer it has.
    """
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    rows = shares + 1.0 / counts.sum(axis=0).mean()
    rest = rows / rows.sum(axis=1, keepdims=True)
    chosen = np.empty(n_factors, dtype=np.int64)
    for place in range(n_factors):
        lengths = np.square(rest).sum(axis=1)
        lengths[chosen[:place]] = -1.0
        chosen[place] = lengths.argmax()
        direction = rest[chosen[place]]
        rest = rest - np.outer(rest @ direction, direction) / max(float(direction @ direction), 1e-300)
    return chosen


def _ratio(table: Float64Array, left: Float64Array, right: Float64Array) -> Float64Array:
    return np.asarray(table / np.maximum(left @ right, TINY))
