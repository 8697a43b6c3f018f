"""Near-duplicates by cosine similarity: greedy, exact, in blocks.

Samples are taken in order of priority, and one is dropped when a sample kept before it is at least `threshold` similar.
So every dropped sample has a kept neighbour within the threshold, and no two kept samples reach it.

Whether a pair reaches the threshold is a property of the pair, not of the block it fell in (`cosine_pairs`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Int64Array, as_embeddings
from windrow.tasks.algorithms.neighbors.cosine_pairs import TILE, CosinePairs, check_threshold

BLOCK = 1024


@dataclass(frozen=True)
class NearDuplicates:
    """duplicate_of: int64 (n,), the row each dropped sample repeats: the first in order of priority that was kept and
    reaches the threshold; -1 for a kept sample.

    similarity: float32 (n,), cosine similarity to that row; for a kept sample the largest to any sample kept before it
    in its partition, below the threshold, -1 where there was none.

    n_compared: the number of pairs whose similarity was computed to find it.
    """

    duplicate_of: Int64Array
    similarity: npt.NDArray[np.float32]
    n_compared: int


def near_duplicates(
    embeddings: npt.ArrayLike,
    threshold: float,
    *,
    priority: npt.ArrayLike | None = None,
    partition: npt.ArrayLike | None = None,
    apart: npt.ArrayLike | None = None,
    block: int = BLOCK,
) -> NearDuplicates:
    """Finds the near-duplicates among embeddings (n, d), not necessarily of unit length, compared as float32.

    threshold: cosine similarity in (0, 1]; priority: (n,), the lowest is kept first (ties, and None: by row);
    partition: (n,) integers, samples are compared only within one (None: all); apart: (m, 2) rows, pairs that are
    not compared. A zero vector is a duplicate of nothing.
    Every row is compared with every kept one; runs, which do not ask how near kept samples are, compare few
    (`pruned_duplicates`).
    Memory grows with block, not with n x n. Raises ValueError for an embedding that is not finite, naming the first.

    >>> from windrow import near_duplicates
    >>> found = near_duplicates([[1, 0], [0, 1], [1, 0.01]], threshold=0.99)
    >>> found.duplicate_of
    array([-1, -1,  0])
    """
    embeddings = as_embeddings(embeddings)
    check_threshold(threshold)
    n = len(embeddings)
    partitions = partitions_in_order(n, priority, partition)
    pairs = ComparedPairs(embeddings, threshold, np.empty((0, 2)) if apart is None else np.asarray(apart))
    result = NearDuplicates(np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.float32), 0)
    for members in partitions:
        _greedy(pairs, members, block, result)
    return replace(result, n_compared=pairs.n_compared)


def partitions_in_order(n: int, priority: npt.ArrayLike | None, partition: npt.ArrayLike | None) -> list[Int64Array]:
    """The rows of each partition in order of priority. Arguments and errors are those of `near_duplicates`."""
    by = [_column(name, values, n) for name, values in (("priority", priority), ("partition", partition))]
    order = np.lexsort(by)
    ends = np.flatnonzero(np.diff(by[1][order])) + 1
    return np.split(order, ends) if n else []


class ComparedPairs(CosinePairs):
    """The same, but for pairs (m, 2) of rows, which are told to be at a similarity of minus infinity.

    n_compared: of how many it was asked.
    """

    def __init__(self, embeddings: npt.NDArray[np.floating[Any]], threshold: float, apart: npt.NDArray[Any]) -> None:
        super().__init__(embeddings, threshold)
        self.n_compared = 0
        self.others: dict[int, list[int]] = {}
        for one, other in apart.astype(np.int64).tolist():
            self.others.setdefault(one, []).append(other)
            self.others.setdefault(other, []).append(one)

    def compare(self, left: Int64Array, right: Int64Array) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Similarity, and whether it reaches the threshold. Both (left, right)."""
        similarity, reached = super().compare(left, right)
        for place, row in enumerate(left.tolist()) if self.others else ():
            if row in self.others:
                out = np.isin(right, self.others[row])
                similarity[place, out], reached[place, out] = -np.inf, False
        return similarity, reached


def _greedy(pairs: ComparedPairs, members: Int64Array, block: int, result: NearDuplicates) -> None:
    """Fills result for one partition, its members in order of priority."""
    kept = np.empty(0, dtype=np.int64)
    for start in range(0, len(members), block):
        rows = members[start : start + block]
        nearest = np.full(len(rows), -1, dtype=np.int64)
        highest = np.full(len(rows), -np.inf, dtype=np.float32)
        for tile in range(0, len(kept), TILE):
            left = np.flatnonzero(result.duplicate_of[rows] < 0)
            _compare(pairs, rows, left, kept[tile : tile + TILE], nearest, highest, result)
        left = np.flatnonzero(result.duplicate_of[rows] < 0)
        kept = np.concatenate([kept, _within(pairs, rows, left, nearest, highest, result)])
        compared = np.flatnonzero(nearest >= 0)
        result.similarity[rows[compared]] = pairs.similarity(rows[compared], nearest[compared])


def _compare(
    pairs: ComparedPairs,
    rows: Int64Array,
    left: Int64Array,
    kept: Int64Array,
    nearest: Int64Array,
    highest: npt.NDArray[np.float32],
    result: NearDuplicates,
) -> None:
    """Drops those of rows[left] that reach the threshold with one of kept, and notes the nearest for the others."""
    if len(left) == 0:
        return
    pairs.n_compared += len(left) * len(kept)
    similarity, reached = pairs.compare(rows[left], kept)
    first = reached.argmax(axis=1)
    found = reached[np.arange(len(left)), first]
    result.duplicate_of[rows[left[found]]] = nearest[left[found]] = kept[first[found]]
    best = similarity.argmax(axis=1)
    value = similarity[np.arange(len(left)), best]
    closer = ~found & (value > highest[left])
    nearest[left[closer]], highest[left[closer]] = kept[best[closer]], value[closer]


def _within(
    pairs: ComparedPairs,
    rows: Int64Array,
    left: Int64Array,
    nearest: Int64Array,
    highest: npt.NDArray[np.float32],
    result: NearDuplicates,
) -> Int64Array:
    """The same among rows[left] themselves, one after another. Returns those kept."""
    if len(left) == 0:
        return left
    pairs.n_compared += len(left) * (len(left) - 1) // 2
    similarity, reached = pairs.compare(rows[left], rows[left])
    dropped = np.zeros(len(left), dtype=bool)
    for i in range(len(left)):
        if dropped[i]:
            continue
        later = np.arange(i + 1, len(left))
        hit = later[reached[i, later] & ~dropped[later]]
        dropped[hit] = True
        result.duplicate_of[rows[left[hit]]] = nearest[left[hit]] = rows[left[i]]
        closer = later[~dropped[later] & (similarity[i, later] > highest[left[later]])]
        nearest[left[closer]], highest[left[closer]] = rows[left[i]], similarity[i, closer]
    return rows[left[~dropped]]


def _column(name: str, values: npt.ArrayLike | None, n: int) -> npt.NDArray[Any]:
    column = np.zeros(n, dtype=np.int64) if values is None else np.asarray(values)
    if column.shape != (n,):
        raise ValueError(f"{name}: expected shape ({n},), got {column.shape}")
    return column
