"""Near-duplicates from the exact k-NN graph of a pool, without comparing all pairs again.

A row whose k-th neighbour lies below the threshold has every row that reaches it among its k: so a pair can be missing
from the graph only where both rows have more near-duplicates than neighbours, and these are compared with each other.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from windrow.tasks.algorithms.arrays import Int64Array, row_blocks
from windrow.tasks.algorithms.neighbors.cosine_pairs import TILE, CosinePairs, Embeddings, check_threshold
from windrow.tasks.algorithms.neighbors.deduplication import NearDuplicates, near_duplicates
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

MOST_CROWDED = 2000
"""Rows with more near-duplicates than neighbours: beyond, all pairs are compared."""


def graph_duplicates(
    embeddings: Embeddings,
    threshold: float,
    graph: NeighborGraph,
    rows: Int64Array,
    *,
    priority: Int64Array,
    partition: Int64Array | None = None,
    apart: Int64Array | None = None,
) -> NearDuplicates:
    """What `near_duplicates` finds among some rows of embeddings (n, d), but for the similarity of what is kept: -1.

    graph: exact, of all n; rows: int64 (m,), ascending; priority, partition: (m,), and apart, places
    among them: as for `near_duplicates`. The answer
    is in places among `rows`. Raises ValueError for a threshold that is none.
    """
    check_threshold(threshold)
    own = embeddings[rows]
    pairs = CosinePairs(own, threshold)
    place = np.full(len(embeddings), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    near = graph.similarity[rows] >= np.float32(threshold) - np.float32(pairs.slack)
    crowded = np.flatnonzero(near[:, -1])
    if len(crowded) > MOST_CROWDED:
        return _without_kept(near_duplicates(own, threshold, priority=priority, partition=partition, apart=apart))
    row, column = np.nonzero(near)
    listed = np.stack([row, place[graph.indices[rows[row], column]]])
    left, right = np.concatenate([listed[:, listed[1] >= 0], _among(pairs, crowded)], axis=1)
    if partition is not None:
        same = partition[left] == partition[right]
        left, right = left[same], right[same]
    if apart is not None and len(apart):
        other = ~np.isin(_keys(left, right, len(rows)), _keys(apart[:, 0], apart[:, 1], len(rows)))
        left, right = left[other], right[other]
    reached = pairs.similarity(left, right) >= threshold
    return _greedy(pairs, left[reached], right[reached], priority)


def _keys(left: Int64Array, right: Int64Array, n: int) -> Int64Array:
    """A number for each pair of rows below n, whichever comes first."""
    return np.asarray(np.minimum(left, right) * n + np.maximum(left, right), np.int64)


def _without_kept(found: NearDuplicates) -> NearDuplicates:
    return NearDuplicates(found.duplicate_of, np.where(found.duplicate_of < 0, np.float32(-1), found.similarity))


def _among(pairs: CosinePairs, rows: Int64Array) -> Int64Array:
    """Pairs of these rows that may reach the threshold (2, p)."""
    found = [np.empty((2, 0), np.int64)]
    for block in row_blocks(len(rows), TILE):
        i, j = np.nonzero(pairs.compare(rows[block], rows)[1])
        found.append(np.stack([rows[block][i], rows[j]])[:, rows[block][i] != rows[j]])
    return np.concatenate(found, axis=1)


def _greedy(pairs: CosinePairs, left: Int64Array, right: Int64Array, priority: Int64Array) -> NearDuplicates:
    """Keep, in order of priority, what no kept row reaches."""
    n = len(priority)
    duplicate_of, similarity = np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.float32)
    turn = np.empty(n, dtype=np.int64)
    turn[np.lexsort([priority])] = np.arange(n)
    left, right = np.concatenate([left, right]), np.concatenate([right, left])
    later = turn[right] > turn[left]
    left, right = left[later], right[later]
    order = np.argsort(turn[left], kind="stable")
    left, right = left[order], right[order]
    edges = np.append(np.flatnonzero(np.diff(left, prepend=-1)), len(left))
    for first, end in pairwise(edges):
        if duplicate_of[left[first]] < 0:
            free = right[first:end]
            duplicate_of[free[duplicate_of[free] < 0]] = left[first]
    dropped = np.flatnonzero(duplicate_of >= 0)
    similarity[dropped] = pairs.similarity(dropped, duplicate_of[dropped])
    return NearDuplicates(duplicate_of, similarity)
