"""Pairs of 64-bit hashes that differ in few bits, and the groups that they join: exact, without comparing all pairs.

Cut the 64 bits into `max_distance + shared` blocks. Two hashes that differ in at most `max_distance` bits are equal in
`shared` blocks or more, whichever these are: for each choice of `shared` blocks, sort by them and compare what is equal
there. This is the pigeonhole of multi-index hashing (Norouzi, Punjani and Fleet 2012, section 2.1: one block) with
the several blocks of Manku, Jain and Das Sarma 2007 (section 3), which keep the runs of equal keys short for millions.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Int64Array

Hashes = npt.NDArray[np.uint64] | npt.NDArray[np.int64]

BITS = 64
MAX_DISTANCE = 16
PAIRS_AT_ONCE = 1 << 20


def hash_groups(hashes: Hashes, max_distance: int) -> Int64Array:
    """The lowest row of each hash's group, int64 (n,): chains of pairs within `max_distance` join a group.

    Equal hashes are one before any are compared, and pairs are used in blocks and forgotten: memory grows with n only.
    """
    unique, first, inverse = np.unique(_checked(hashes, max_distance), return_index=True, return_inverse=True)
    group = np.arange(len(unique))
    waiting: list[tuple[Int64Array, Int64Array]] = []
    n_waiting = 0
    for pair in _near(unique, max_distance):
        waiting.append(pair)
        n_waiting += len(pair[0])
        if n_waiting >= PAIRS_AT_ONCE:
            group, waiting, n_waiting = _joined(group, waiting), [], 0
    group = _joined(group, waiting)
    lowest = np.full(len(unique), len(inverse), np.int64)
    np.minimum.at(lowest, group, first)
    return lowest[group][inverse]


def near_hashes(left: Hashes, right: Hashes, max_distance: int) -> tuple[Int64Array, Int64Array]:
    """All pairs of rows of left (n,) and right (m,) whose hashes differ in at most max_distance bits, two int64 (p,).

    In order of the left row, then the right. Memory grows with the pairs.
    """
    values = np.concatenate([_checked(left, max_distance), _checked(right, max_distance)])
    unique, inverse = np.unique(values, return_inverse=True)
    members = [np.argsort(side, kind="stable") for side in (inverse[: len(left)], inverse[len(left) :])]
    counts = [np.bincount(side, minlength=len(unique)) for side in (inverse[: len(left)], inverse[len(left) :])]
    in_both = np.flatnonzero((counts[0] > 0) & (counts[1] > 0))
    found = [(in_both, in_both)]
    for one, other in _near(unique, max_distance):
        for a, b in ((one, other), (other, one)):
            across = (counts[0][a] > 0) & (counts[1][b] > 0)
            found.append((a[across], b[across]))
    pairs = [_members_of(a, b, members, counts) for a, b in found]
    rows, columns = (np.concatenate(side) for side in zip(*pairs, strict=True))
    order = np.lexsort((columns, rows))
    return rows[order], columns[order]


def _members_of(
    a: Int64Array, b: Int64Array, members: list[npt.NDArray[Any]], counts: list[npt.NDArray[Any]]
) -> tuple[Int64Array, Int64Array]:
    """The pairs of left rows of group a[i] and right rows of group b[i], of every i."""
    n_left, n_right = counts[0][a], counts[1][b]
    n_pairs = n_left * n_right
    group = np.repeat(np.arange(len(a)), n_pairs)
    place = np.arange(len(group)) - np.repeat(np.cumsum(n_pairs) - n_pairs, n_pairs)
    starts = [np.cumsum(count) - count for count in counts]
    rows = members[0][starts[0][a[group]] + place // n_right[group]]
    columns = members[1][starts[1][b[group]] + place % n_right[group]]
    return rows.astype(np.int64), columns.astype(np.int64)


def _joined(group: Int64Array, pairs: list[tuple[Int64Array, Int64Array]]) -> Int64Array:
    """Join the groups that pairs connect; a group is named by the lowest of its members."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not pairs:
        return group
    left, right = (group[np.concatenate(side)] for side in zip(*pairs, strict=True))
    graph = coo_array((np.ones(len(left), bool), (left, right)), shape=(len(group), len(group)))
    _, component = connected_components(graph, directed=False)
    _, lowest = np.unique(component, return_index=True)
    return np.asarray(lowest[component[group]], np.int64)


def _near(values: npt.NDArray[np.uint64], max_distance: int) -> Iterator[tuple[Int64Array, Int64Array]]:
    """Every near pair once, in a fixed order: by the first choice of blocks in which its two are equal."""
    shared = _shared_blocks(len(values), max_distance)
    blocks = _blocks(max_distance + shared)
    for chosen in combinations(range(len(blocks)), shared):
        key = np.bitwise_or.reduce(blocks[list(chosen)])
        earlier = blocks[: chosen[-1] + 1]
        for left, right in _equal_pairs(values & key):
            difference = values[left] ^ values[right]
            near = np.flatnonzero(np.bitwise_count(difference) <= max_distance)
            n_equal = (difference[near, None] & earlier == 0).sum(axis=1)
            near = near[n_equal == shared]
            if len(near):
                yield left[near], right[near]


def _equal_pairs(keys: npt.NDArray[np.uint64]) -> Iterator[tuple[Int64Array, Int64Array]]:
    """All pairs of rows with equal keys: in sorted order, those at distance 1, then 2, as far as the runs go."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, len(keys))
    end = np.repeat(ends, np.diff(ends, prepend=0))
    at, step = np.arange(len(keys)), 1
    while len(at := at[at + step < end[at]]):
        yield order[at], order[at + step]
        step += 1


def _shared_blocks(n: int, max_distance: int) -> int:
    """How many blocks to sort by together: more mean shorter runs of equal keys and more sorts.

    Only speed depends on it. A sort costs as much as some 16 comparisons a row; runs are taken to be n / 2^bits long.
    """

    def cost(shared: int) -> float:
        bits = BITS * shared // (max_distance + shared)
        return comb(max_distance + shared, shared) * (16 + n / 2.0 ** (bits + 1))

    return min(range(1, 5), key=cost)


def _blocks(n_blocks: int) -> npt.NDArray[np.uint64]:
    """Masks that cut 64 bits into blocks whose lengths differ by one at most."""
    cuts = [BITS * block // n_blocks for block in range(n_blocks + 1)]
    return np.array([2**high - 2**low for low, high in pairwise(cuts)], np.uint64)


def _checked(hashes: Hashes, max_distance: int) -> npt.NDArray[np.uint64]:
    if hashes.ndim != 1 or hashes.dtype not in (np.int64, np.uint64):
        raise ValueError(f"hashes: expected int64 or uint64 (n,), got {hashes.dtype} {hashes.shape}")
    if not 0 <= max_distance <= MAX_DISTANCE:
        raise ValueError(f"max_distance: expected 0 to {MAX_DISTANCE} bits, got {max_distance}")
    return np.ascontiguousarray(hashes).view(np.uint64)
