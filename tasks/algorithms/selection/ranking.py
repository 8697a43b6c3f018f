"""Hierarchical balanced sampling as one column (Vo et al. 2024, arXiv 2405.15613, section 3.4), or nearer to random.

Top-down, a cluster with a budget shares it among its children as evenly as their sizes allow. That allocation is
monotone in the budget, so it is a ranking: order the members of a leaf by distance; then, level by level, order by the
position in the cluster, ties broken by a seeded hash of the cluster. The first T of the ranking are the balanced sample
of size T, and the samples are nested.

Siblings may weigh differently (stride scheduling, Waldspurger and Weihl 1995): the k-th member of a child of weight w
has the key k / w, so that children get shares of the budget in proportion to their weights while they last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Int64Array

Ids = npt.NDArray[Any]

# Two rounds of xor-shift and multiply on 32 bits ("lowbias32", Chris Wellons, hash-prospector), so that SQL, which
# raises where 64 bits overflow, can do the same. Each step is invertible, so no two clusters collide.
FIRST, SECOND, MASK, STEP = 0x7FEB352D, 0x846CA68B, 0xFFFFFFFF, 0x9E3779B9


def rank(
    paths: npt.ArrayLike,
    distance: npt.ArrayLike,
    sample_ids: npt.ArrayLike | None = None,
    seed: int = 0,
    *,
    balance: float = 1.0,
    weights: npt.ArrayLike | None = None,
) -> Int64Array:
    """1-based rank of every sample, int64 (n,): `rank <= T` is the hierarchical balanced sample of size T.

    paths: integers (n, n_levels), finest first; distance: (n,), the order within a leaf, lowest first (the distance to
    the centroid; random numbers for a uniform choice); sample_ids: (n,), unique and sortable, they break equal
    distances (by default the row does). balance: from 1, equal shares of siblings, to 0, shares in proportion to their
    sizes: a child weighs size^(1 - balance). weights: (n,), > 0, what the finest cluster of each sample weighs beside;
    a cluster of clusters weighs what they weigh together.

    >>> from windrow import rank
    >>> rank([[0], [0], [0], [1]], distance=[0.2, 0.1, 0.3, 0.5])
    array([3, 1, 4, 2])
    """
    paths, distance = np.asarray(paths), np.asarray(distance)
    sample_ids = np.arange(len(paths)) if sample_ids is None else np.asarray(sample_ids)
    _check_samples(paths, distance, sample_ids)
    if not 0 <= balance <= 1:
        raise ValueError(f"balance: expected 0 to 1, got {balance}")
    n_levels = paths.shape[1]
    place = _places(paths[:, 0], (sample_ids, distance))
    for level in range(1, n_levels + 1):
        parent = paths[:, level] if level < n_levels else np.zeros(len(paths), dtype=np.int32)
        key = place / _weights(paths, level - 1, balance, weights)
        place = _places(parent, (cluster_hash(paths[:, level - 1], level, seed), key))
    return place


def rank_by(keys: npt.ArrayLike, sample_ids: Ids) -> Int64Array:
    """1-based rank of every sample without a tree, int64 (n,): the lowest key first, of equals the lowest id."""
    return _places(np.zeros(len(sample_ids), np.int32), (sample_ids, np.asarray(keys)))


def _weights(
    paths: npt.NDArray[np.int32], level: int, balance: float, weights: npt.ArrayLike | None
) -> npt.NDArray[np.float64]:
    """What each sample's cluster of a level weighs among its siblings, (n,)."""
    clusters = paths[:, level]
    if not len(clusters) or (balance == 1 and weights is None):
        return np.ones(len(clusters))
    of_cluster = np.bincount(clusters).astype(np.float64) ** (1 - balance)
    if weights is not None:
        row_of = np.full(int(paths[:, 0].max()) + 1, -1)  # of each finest cluster, whose samples weigh the same
        row_of[paths[:, 0]] = np.arange(len(paths))
        first = row_of[row_of >= 0]
        given = np.asarray(weights, dtype=np.float64)[first]
        if not (np.isfinite(given) & (given > 0)).all():
            raise ValueError(f"weights: expected finite numbers > 0, got {given.min()} to {given.max()}")
        of_cluster *= np.bincount(clusters[first], given, minlength=len(of_cluster))
    return of_cluster[clusters]


def _places(partition: npt.NDArray[np.int32], keys: tuple[Ids, ...]) -> Int64Array:
    """row_number() over (partition by partition order by keys, the last key first)."""
    order = np.lexsort((*keys, partition))
    ordered = partition[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(order) else np.empty(0, dtype=np.int64)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(1, len(order) + 1) - np.repeat(first, np.diff(np.r_[first, len(order)]))
    return place


def cluster_hash(clusters: npt.NDArray[np.integer[Any]], level: int, seed: int) -> npt.NDArray[np.uint64]:
    """A 32-bit number a cluster, no two alike; another order for each seed and level (1 = finest)."""
    return _mixed(clusters.astype(np.uint64) ^ np.uint64(_key(level, seed)))


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    sixteen, fifteen, mask = np.uint64(16), np.uint64(15), np.uint64(MASK)
    x = ((x ^ (x >> sixteen)) * np.uint64(FIRST)) & mask
    x = ((x ^ (x >> fifteen)) * np.uint64(SECOND)) & mask
    return x ^ (x >> sixteen)


def _key(level: int, seed: int) -> int:
    key = 0
    for word in (seed & MASK, seed >> 32 & MASK, level):
        key = int(_mixed(np.array([(key ^ word) + STEP & MASK], dtype=np.uint64))[0])
    return key


def cut(sizes: npt.ArrayLike, budget: int) -> int:
    """The largest x with sum_i min(x, sizes_i) <= budget, but no more than the largest size."""
    ascending = np.sort(np.asarray(sizes, dtype=np.int64))
    below = np.cumsum(ascending) - ascending
    above = len(ascending) - np.arange(len(ascending))
    too_much = np.flatnonzero(below + ascending * above > budget)
    if len(too_much) == 0:
        return int(ascending[-1]) if len(ascending) else 0
    first = too_much[0]
    return int((budget - below[first]) // above[first])


def balanced_shares(sizes: npt.ArrayLike, budget: int, order: npt.ArrayLike | None = None) -> Int64Array:
    """What each child of a cluster is given of its budget, int64 (children,): min(x, size), x the `cut`.

    What remains goes as +1 to children of more than x, those lowest in `order` first (by default, in the order given).
    The shares sum to min(budget, sum of sizes). Raises ValueError for a negative size or budget.
    """
    wanted = np.asarray(sizes, dtype=np.int64)
    if budget < 0 or (wanted < 0).any():
        raise ValueError(f"budget, sizes: expected no negative number, got {budget}, {wanted.tolist()}")
    x = cut(wanted, budget)
    shares = np.minimum(wanted, x)
    by_order = np.argsort(np.arange(len(wanted)) if order is None else np.asarray(order), kind="stable")
    larger = by_order[wanted[by_order] > x]
    shares[larger[: budget - int(shares.sum())]] += 1
    return shares


def inclusion_weights(paths: npt.NDArray[np.int32], selected: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Inverse inclusion probability of every selected sample, float64 (n,); 0 for the others.

    A leaf is a stratum: its selected samples share its size. The size of a cluster with no selected sample goes to its
    siblings with one, in proportion to their sizes, level by level from the top; so the weights sum to n, and a
    weighted sum over the selected estimates the sum over the pool. All are 0 when nothing is selected.
    """
    if selected.dtype != np.bool_ or selected.shape != (len(paths),):
        raise ValueError(f"selected: expected bool ({len(paths)},), got {selected.dtype} {selected.shape}")
    weight = np.zeros(len(paths))
    if not selected.any():
        return weight
    parents = np.zeros(len(paths), dtype=np.int32)
    mass = np.array([float(len(paths))])  # of each cluster of the level above
    for level in range(paths.shape[1] - 1, -1, -1):
        parents, mass = paths[:, level], _shared_mass(paths[:, level], parents, mass, selected)
    weight[selected] = (mass / np.maximum(np.bincount(parents[selected], minlength=len(mass)), 1))[parents[selected]]
    return weight


def _shared_mass(
    clusters: npt.NDArray[np.int32],
    parents: npt.NDArray[np.int32],
    mass: npt.NDArray[np.float64],
    selected: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """Each parent's mass over those of its children that have a selected sample, in proportion to their sizes."""
    n_clusters = int(clusters.max()) + 1
    parent = np.zeros(n_clusters, dtype=np.int64)
    parent[clusters] = parents
    sizes = np.bincount(clusters, minlength=n_clusters).astype(np.float64)
    sizes[np.bincount(clusters[selected], minlength=n_clusters) == 0] = 0
    among = np.bincount(parent, weights=sizes, minlength=len(mass))
    share: npt.NDArray[np.float64] = sizes * (mass / np.where(among > 0, among, 1))[parent]
    return share


def _check_samples(paths: Ids, distance: Ids, sample_ids: Ids) -> None:
    if paths.ndim != 2 or paths.shape[1] < 1 or paths.dtype.kind not in "iu" or (paths.size and paths.min() < 0):
        found = f"{paths.dtype} {paths.shape}"
        raise ValueError(f"paths: expected clusters >= 0 of shape (n, n_levels >= 1), got {found}")
    for name, values in (("distance", distance), ("sample_ids", sample_ids)):
        if values.shape != (len(paths),):
            raise ValueError(f"{name}: expected shape ({len(paths)},), got {values.shape}")
    if np.isnan(distance).any():
        raise ValueError(f"distance: row {int(np.flatnonzero(np.isnan(distance))[0])} is NaN")
