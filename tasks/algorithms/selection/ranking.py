"""Hierarchical balanced sampling as one column (Vo et al. 2024, arXiv 2405.15613, section 3.4).

Top-down, a cluster with a budget shares it among its children as evenly as their sizes allow. That allocation is
monotone in the budget, so it is a ranking: order the members of a leaf by distance; then, level by level, order by the
position in the cluster, ties broken by a seeded hash of the cluster. The first T of the ranking are the balanced sample
of size T, and the samples are nested. The hash runs in numpy and in DuckDB alike, so `rank` and `rank_sql` agree.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Int64Array

Ids = npt.NDArray[Any]

# Two rounds of xor-shift and multiply on 32 bits ("lowbias32", Chris Wellons, hash-prospector). 32-bit factors never
# overflow 64 bits, where DuckDB raises instead of wrapping; and each step is invertible, so no two clusters collide.
FIRST, SECOND, MASK, STEP = 0x7FEB352D, 0x846CA68B, 0xFFFFFFFF, 0x9E3779B9


def rank(
    paths: npt.NDArray[np.int32], distance: npt.NDArray[np.floating[Any]], sample_ids: Ids, seed: int
) -> Int64Array:
    """1-based rank of every sample, int64 (n,): `rank <= T` is the hierarchical balanced sample of size T.

    paths: int32 (n, n_levels), finest first; distance: (n,), the order within a leaf, lowest first (the distance to the
    centroid; random numbers for a uniform choice); sample_ids: (n,), unique and sortable, they break equal distances.
    """
    _check_samples(paths, distance, sample_ids)
    n_levels = paths.shape[1]
    place = _places(paths[:, 0], (sample_ids, distance))
    for level in range(1, n_levels + 1):
        parent = paths[:, level] if level < n_levels else np.zeros(len(paths), dtype=np.int32)
        place = _places(parent, (cluster_hash(paths[:, level - 1], level, seed), place))
    return place


def _places(partition: npt.NDArray[np.int32], keys: tuple[Ids, ...]) -> Int64Array:
    """row_number() over (partition by partition order by keys, the last key first)."""
    order = np.lexsort((*keys, partition))
    ordered = partition[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(order) else np.empty(0, dtype=np.int64)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(1, len(order) + 1) - np.repeat(first, np.diff(np.r_[first, len(order)]))
    return place


def rank_sql(n_levels: int, *, seed: int, table: str = "clusters") -> str:
    """The same ranking as a DuckDB query over a table: the columns sample_id and rank, in no order.

    table has sample_id, cluster_path (list of int, finest first) and distance.
    """
    if n_levels < 1:
        raise ValueError(f"n_levels: expected at least 1, got {n_levels}")
    levels = range(1, n_levels + 1)
    clusters = ", ".join(f"cluster_path[{level}] as cluster_{level}" for level in levels)
    steps = [
        f"with paths as (select sample_id, distance, {clusters} from {table})",
        "hashed as (select *,\n    " + ",\n    ".join(_hash_sql(level, seed) for level in levels) + "\n  from paths)",
        "ranked_1 as (select *, row_number() over "
        "(partition by cluster_1 order by distance, sample_id) as r1 from hashed)",
    ]
    for level in levels[1:]:
        steps.append(
            f"ranked_{level} as (select *, row_number() over "
            f"(partition by cluster_{level} order by r{level - 1}, h{level - 1}) as r{level} from ranked_{level - 1})"
        )
    last = f'select sample_id, row_number() over (order by r{n_levels}, h{n_levels}) as "rank" from ranked_{n_levels}'
    return ",\n".join(steps) + "\n" + last


def _hash_sql(level: int, seed: int) -> str:
    return (
        f"xor(cluster_{level}::ubigint, {_key(level, seed)}::ubigint) as a{level}, "
        f"(xor(a{level}, a{level} >> 16) * {FIRST}) & {MASK} as b{level}, "
        f"(xor(b{level}, b{level} >> 15) * {SECOND}) & {MASK} as c{level}, "
        f"xor(c{level}, c{level} >> 16) as h{level}"
    )


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


def _check_samples(paths: npt.NDArray[np.int32], distance: npt.NDArray[np.floating[Any]], sample_ids: Ids) -> None:
    if paths.ndim != 2 or paths.shape[1] < 1 or (paths.size and paths.min() < 0):
        raise ValueError(f"paths: expected clusters >= 0 of shape (n, n_levels >= 1), got shape {paths.shape}")
    for name, values in (("distance", distance), ("sample_ids", sample_ids)):
        if values.shape != (len(paths),):
            raise ValueError(f"{name}: expected shape ({len(paths)},), got {values.shape}")
    if np.isnan(distance).any():
        raise ValueError(f"distance: row {int(np.flatnonzero(np.isnan(distance))[0])} is NaN")
