"""Greedy covers: in order of priority, what no kept row reaches is kept, and covers what it reaches."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.algorithms.neighbors.cosine_pairs import CosinePairs
from windrow.tasks.algorithms.neighbors.deduplication import NearDuplicates


def cover(left: Int64Array, right: Int64Array, first: Int64Array) -> None:
    """Put into first, int64 (n,), by what kept place each is covered: the earliest that reaches it, n of no such.

    left, right: pairs of places in order of priority (p,), either way round; all that reach each other among some
    places that nothing before these reaches.
    """
    earlier, later = np.minimum(left, right), np.maximum(left, right)
    order = np.argsort(earlier, kind="stable")
    earlier, later = earlier[order], later[order]
    edges = np.append(np.flatnonzero(np.diff(earlier, prepend=-1)), len(earlier))
    for start, end in pairwise(edges):
        place = earlier[start]
        if first[place] == len(first):
            covered = later[start:end]
            first[covered[first[covered] == len(first)]] = place


def near_duplicates_of(pairs: CosinePairs, order: Int64Array, first: Int64Array, n_compared: int) -> NearDuplicates:
    """The near-duplicates by row, where order (n,) are the rows by place and first (n,) is what covers each place."""
    duplicate_of, similarity = np.full(len(order), -1), np.full(len(order), -1, np.float32)
    covered = first < len(order)
    duplicate_of[order[covered]] = order[first[covered]]
    dropped = np.flatnonzero(duplicate_of >= 0)
    similarity[dropped] = pairs.similarity(dropped, duplicate_of[dropped])
    return NearDuplicates(duplicate_of, similarity, n_compared)


def places(order: Int64Array) -> Int64Array:
    """Where each row stands in an order of all rows (n,)."""
    found = np.empty(len(order), np.int64)
    found[order] = np.arange(len(order))
    return found


def keys(left: Int64Array, right: Int64Array, n: int) -> Int64Array:
    """A number for each pair of rows below n, whichever comes first."""
    return np.asarray(np.minimum(left, right) * n + np.maximum(left, right), np.int64)
