"""Near-duplicates from the exact k-NN graph of a pool, without comparing all pairs again.

A row whose k-th neighbour lies below the threshold has every row that reaches it among its k: so a pair can be missing
from the graph only where both rows have more near-duplicates than neighbours, and these are compared with each other.
"""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import Int64Array, row_blocks
from windrow.tasks.algorithms.neighbors.cosine_pairs import TILE, CosinePairs, Embeddings, check_threshold
from windrow.tasks.algorithms.neighbors.deduplication import NearDuplicates
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph
from windrow.tasks.algorithms.neighbors.greedy_cover import cover, keys, near_duplicates_of, places
from windrow.tasks.algorithms.neighbors.pruned_duplicates import pruned_duplicates

MOST_CROWDED = 2000
"""Rows with more near-duplicates than neighbours: beyond, the graph is of no use."""


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

    graph: exact, of all n; rows: int64 (m,), ascending; priority, partition: (m,), and apart, places among them: as for
    `near_duplicates`. The answer is in places among `rows`; its pairs compared are those beside the graph's own search.
    Raises ValueError for a threshold that is none.
    """
    check_threshold(threshold)
    own = embeddings[rows]
    pairs = CosinePairs(own, threshold)
    number = np.full(len(embeddings), -1, dtype=np.int64)
    number[rows] = np.arange(len(rows))
    near = graph.similarity[rows] >= np.float32(threshold) - np.float32(pairs.slack)
    crowded = np.flatnonzero(near[:, -1])
    if len(crowded) > MOST_CROWDED:
        return pruned_duplicates(own, threshold, priority=priority, partition=partition, apart=apart)
    row, column = np.nonzero(near)
    listed = np.stack([row, number[graph.indices[rows[row], column]]])
    left, right = np.concatenate([listed[:, listed[1] >= 0], _among(pairs, crowded)], axis=1)
    if partition is not None:
        same = partition[left] == partition[right]
        left, right = left[same], right[same]
    if apart is not None and len(apart):
        other = ~np.isin(keys(left, right, len(rows)), keys(apart[:, 0], apart[:, 1], len(rows)))
        left, right = left[other], right[other]
    reached = pairs.similarity(left, right) >= threshold
    order = np.lexsort([priority])
    place, first = places(order), np.full(len(order), len(order))
    cover(place[left[reached]], place[right[reached]], first)
    return near_duplicates_of(pairs, order, first, len(left))


def _among(pairs: CosinePairs, rows: Int64Array) -> Int64Array:
    """Pairs of these rows that may reach the threshold (2, p)."""
    found = [np.empty((2, 0), np.int64)]
    for block in row_blocks(len(rows), TILE):
        i, j = np.nonzero(pairs.compare(rows[block], rows)[1])
        found.append(np.stack([rows[block][i], rows[j]])[:, rows[block][i] != rows[j]])
    return np.concatenate(found, axis=1)
