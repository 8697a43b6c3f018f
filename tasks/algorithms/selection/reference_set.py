"""How a pool and a reference set lie to each other: what each pool sample should weigh, and how far they overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import (
    BoolArray,
    Float32Array,
    Float64Array,
    check_embeddings,
    row_blocks,
    unit_rows,
)
from windrow.tasks.algorithms.labels.cores.logistic_objective import HeldRows, minimise_logistic
from windrow.tasks.algorithms.labels.folds import assign_folds
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph

L2 = 1e-3
MOST_LOG_ODDS = 30.0
"""Beyond it a probability is 0 or 1 in float32: a weight of e^30 says no more than that."""
BLOCK = 2048
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Overlap:
    """How two sets overlap. A sample is within a set when a sample of it is at least as near as its own k-th neighbour.

    reference_covered: share of the reference within the pool; what lies outside, no selection from the pool can serve.
    pool_alike: share of the pool within the reference. covered (m,) and alike (n,) say which.
    """

    reference_covered: float
    pool_alike: float
    covered: BoolArray
    alike: BoolArray


def density_ratio_weights(
    pool: npt.NDArray[Any],
    reference: npt.NDArray[Any],
    *,
    l2: float = L2,
    n_folds: int = 5,
    seed: int = 0,
    n_fitted: int | None = None,
) -> Float64Array:
    """The weight (n,) of each row of pool (n, d) that makes the pool as dense as reference (m, d) where it lies.

    w = p / (1 - p) * n / m, where p is the probability that a row is of the reference, by a logistic probe fitted on
    both sets (Bickel, Bruckner and Scheffer 2009, Discriminative learning under covariate shift, JMLR 10, equation 8;
    'density re-weighting' of SKADA-Bench, arXiv 2407.11676). Cross-fitted: the p of a row is by a probe that did not
    see it, so a row does not weigh little because the probe learnt it by heart. Columns are brought to mean 0 and
    deviation 1 over both sets first; l2 is the penalty on the weights, beside the mean cross-entropy. For N(0, 1)
    against N(1, 1) log w = x - 1/2. Probes learn from the first n_fitted rows of the pool, by default from all: where
    rows come in the order of hashes, as by sample_id, these are as good as drawn. Weights are relative: their mean is
    about 1 where the sets overlap. Folds are dealt by row, so rows in the order of their ids give the same weights
    whatever order they were found in. Raises ValueError for embeddings that are not finite and of one width, and for a
    set of fewer rows than folds.

    >>> import numpy as np
    >>> from windrow.tasks.algorithms.selection.reference_set import density_ratio_weights
    >>> rng = np.random.default_rng(0)
    >>> pool, reference = rng.normal(0, 1, (500, 1)), rng.normal(1, 1, (200, 1))
    >>> weights = density_ratio_weights(pool, reference)
    >>> bool(weights[pool[:, 0] > 1].mean() > 1 > weights[pool[:, 0] < 0].mean())
    True
    """
    _check(pool, reference)
    if n_folds < 2:
        raise ValueError(f"n_folds: wants 2 or more, got {n_folds}")
    if min(len(pool), len(reference)) < n_folds:
        raise ValueError(
            f"wants {n_folds} rows of each set, got a pool of {len(pool)} and a reference of {len(reference)}"
        )
    known = pool[:n_fitted]
    rows = np.concatenate([known, reference]).astype(np.float64)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1)
    rows -= mean  # in place: of 60,000 rows of 1,280 dimensions a copy is 600 MB
    rows /= deviation
    rows = rows.astype(np.float32)
    is_reference = np.repeat(np.array([0, 1]), [len(known), len(reference)])
    folds = assign_folds(is_reference, n_folds, seed)
    of_pool = np.arange(len(pool)) % n_folds  # what no probe saw may be judged by any
    of_pool[: len(known)] = folds[: len(known)]
    log_odds = np.empty(len(pool))
    for fold in range(n_folds):
        seen = folds != fold
        direction = _probe(rows[seen], is_reference[seen], l2)
        held_out = np.flatnonzero(of_pool == fold)
        for block in row_blocks(len(held_out), BLOCK):
            wanted = ((pool[held_out[block]] - mean) / deviation).astype(np.float32).astype(np.float64)
            log_odds[held_out[block]] = wanted @ direction[:-1] + direction[-1]
    ratio: Float64Array = np.exp(np.clip(log_odds, -MOST_LOG_ODDS, MOST_LOG_ODDS)) * (len(known) / len(reference))
    return ratio


def _probe(rows: Float32Array, is_reference: npt.NDArray[np.int64], l2: float) -> Float64Array:
    """Weights and bias (dim + 1,) of the log-odds that a row is of the reference."""
    n = len(rows)
    held = HeldRows(rows, is_reference, np.full(n, 1 / n))
    table = minimise_logistic(held, (rows.shape[1] + 1, 2), l2, shaped=4 * n > rows.shape[1])
    return np.asarray(table[:, 1] - table[:, 0], np.float64)


def overlap(
    pool: npt.NDArray[Any],
    reference: npt.NDArray[Any],
    k: int = 5,
    pool_neighbors: Float32Array | None = None,
) -> Overlap:
    """Which rows of reference (m, d) lie within pool (n, d), and which of pool within reference, by cosine.

    Kynkaanniemi et al. 2019, Improved precision and recall metric for assessing generative models, section 2: a set's
    manifold is the union of the balls around its samples that reach their k-th nearest other sample. A set of k rows or
    fewer takes its farthest. In blocks: n x m comparisons, and n x n and m x m for the radii; pool_neighbors, the
    similarity (n, k or more) of each row of pool to its nearest others, nearest first, saves the n x n. Raises
    ValueError for embeddings that are not finite and of one width, and for a set of fewer than two rows.

    >>> import numpy as np
    >>> from windrow.tasks.algorithms.selection.reference_set import overlap
    >>> found = overlap(np.array([[1, 0], [1, 0.1], [1, 0.2]]), np.array([[1, 0.05], [0, 1]]), k=1)
    >>> found.reference_covered
    0.5
    """
    _check(pool, reference)
    if k < 1 or min(len(pool), len(reference)) < 2:
        raise ValueError(f"wants k of 1 or more and two rows of each set, got {k}, {len(pool)} and {len(reference)}")
    of_pool = _reach(pool, k) if pool_neighbors is None else _kth(pool_neighbors, k)
    covered, alike = _within(pool, of_pool, reference, _reach(reference, k))
    return Overlap(float(covered.mean()), float(alike.mean()), covered, alike)


def share_interval(n_found: int, n: int, n_whole: int) -> tuple[float, float]:
    """The 95 % interval of a share of n_whole, of which n were drawn at random, and n_found of these had it.

    Wilson's score interval (1927), with n counted as more where it is much of the whole (the finite population
    correction); with all of it the share is known.

    >>> from windrow.tasks.algorithms.selection.reference_set import share_interval
    >>> low, high = share_interval(50, 100, 10_000)
    >>> round(low, 2), round(high, 2)
    (0.4, 0.6)
    """
    share = n_found / n
    if n >= n_whole:
        return share, share
    worth = n * (n_whole - 1) / (n_whole - n)
    middle = (share + Z95**2 / (2 * worth)) / (1 + Z95**2 / worth)
    half = Z95 / (1 + Z95**2 / worth) * (share * (1 - share) / worth + Z95**2 / (4 * worth**2)) ** 0.5
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def _reach(embeddings: npt.NDArray[Any], k: int) -> Float32Array:
    """Similarity (n,) of each row to its k-th nearest other row: the radius of its ball."""
    return _kth(neighbor_graph(embeddings, min(k, len(embeddings) - 1)).similarity, k)


def _kth(similarity: Float32Array, k: int) -> Float32Array:
    """The column of the k-th neighbour, or of the last that there is."""
    return similarity[:, min(k, similarity.shape[1], len(similarity) - 1) - 1]


def _within(
    pool: npt.NDArray[Any], of_pool: Float32Array, reference: npt.NDArray[Any], of_reference: Float32Array
) -> tuple[BoolArray, BoolArray]:
    """Which rows of the reference lie in a ball of the pool, and which of the pool in one of the reference."""
    covered, alike = np.zeros(len(reference), np.bool_), np.zeros(len(pool), np.bool_)
    for tile in row_blocks(len(reference), BLOCK):
        units = unit_rows(reference[tile])[0]
        for block in row_blocks(len(pool), BLOCK):
            similarity = (unit_rows(pool[block])[0] @ units.T).astype(np.float32)
            alike[block] |= (similarity >= of_reference[tile]).any(axis=1)
            covered[tile] |= (similarity >= of_pool[block, None]).any(axis=0)
    return covered, alike


def _check(pool: npt.NDArray[Any], reference: npt.NDArray[Any]) -> None:
    check_embeddings("pool", pool)
    check_embeddings("reference", reference)
    if pool.shape[1] != reference.shape[1]:
        raise ValueError(f"pool has {pool.shape[1]} dimensions and reference {reference.shape[1]}")
