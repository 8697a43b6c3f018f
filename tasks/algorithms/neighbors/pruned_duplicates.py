"""Near-duplicates of a large pool: what comparing all pairs finds, from comparing few.

Short rows (`cosine_bounds`) and their cells (`near_cells`) rule out pairs that cannot reach the threshold; the rest are
compared exactly (`near_pairs`). Rows are taken in order of priority, and held against those kept so far only: copies of
one picture, however many, are as many pairs as there are copies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import BoolArray, Int64Array, as_embeddings, row_blocks
from windrow.tasks.algorithms.neighbors.cosine_pairs import check_threshold
from windrow.tasks.algorithms.neighbors.deduplication import NearDuplicates, partitions_in_order
from windrow.tasks.algorithms.neighbors.greedy_cover import cover, keys, near_duplicates_of, places
from windrow.tasks.algorithms.neighbors.near_cells import NearCells
from windrow.tasks.algorithms.neighbors.near_pairs import QUERIES, NearPairs, Pairs

BLOCK = 8192
"""Rows that are held against the cells at once, then among themselves."""


def pruned_duplicates(
    embeddings: npt.ArrayLike,
    threshold: float,
    *,
    priority: npt.ArrayLike | None = None,
    partition: npt.ArrayLike | None = None,
    apart: npt.ArrayLike | None = None,
    far: npt.ArrayLike | None = None,
) -> NearDuplicates:
    """What `near_duplicates` finds among embeddings (n, d), but for the similarity of what is kept: -1.

    The cover guarantee holds: every dropped row has a kept one that reaches the threshold, and no two kept ones do.
    far: bool (n,), rows of which it is known that no two reach the threshold, as of those that an earlier search kept:
    they are not held against each other, which changes no answer where it is true.
    Memory beside the embeddings is that of short rows, at most 257 float32 each, and of blocks. Arguments and errors
    are those of `near_duplicates`.
    """
    embeddings = as_embeddings(embeddings)
    check_threshold(threshold)
    n = len(embeddings)
    partitions = partitions_in_order(n, priority, partition)
    known = np.zeros(n, np.bool_) if far is None else np.asarray(far, np.bool_)
    n_pairs = sum(len(members) ** 2 - int(known[members].sum()) ** 2 for members in partitions) // 2
    pairs = NearPairs(embeddings, threshold, n_pairs)
    order = np.concatenate([np.empty(0, np.int64), *partitions])
    left, right = np.empty((2, 0), np.int64) if apart is None else np.asarray(apart).astype(np.int64).T
    greedy = _Greedy(pairs, places(order), np.unique(keys(left, right, n)), known, np.full(n, n))
    for members in partitions:
        greedy.add(members)
    return near_duplicates_of(pairs, order, greedy.first, pairs.n_compared)


@dataclass(frozen=True)
class _Greedy:
    """place: int64 (n,) of each row in order of priority; apart: keys of pairs; far: as in `pruned_duplicates`; first:
    as in `cover`.
    """

    pairs: NearPairs
    place: Int64Array
    apart: Int64Array
    far: BoolArray
    first: Int64Array

    def add(self, members: Int64Array) -> None:
        """Decide on the members of a partition, in order of priority."""
        if len(members) < 2:
            return
        cells = NearCells(self.pairs.bounds, members, self.pairs.threshold)
        unknown = cells.empty()
        for block in row_blocks(len(members), BLOCK):
            far, others = self._by_far(members[block])
            self._hold(cells.sides(others))
            self._hold(unknown.sides(far))
            kept = self._kept_among(self._free(members[block]))
            cells.add(kept)
            unknown.add(self._by_far(kept)[1])

    def _kept_among(self, rows: Int64Array) -> Int64Array:
        """Hold rows in order of priority against each other. Returns those kept."""
        kept = np.empty(0, np.int64)
        for block in row_blocks(len(rows), QUERIES):
            far, others = self._by_far(rows[block])
            self._hold([(others, kept), (far, self._by_far(kept)[1])])
            some = self._free(rows[block])
            cover(*self._places(*self.pairs.among(some)), self.first)
            kept = np.concatenate([kept, self._free(some)])
        return kept

    def _hold(self, sides: Iterable[Pairs]) -> None:
        """Rows against kept ones."""
        for left, right in self.pairs.near(sides):
            np.minimum.at(self.first, *self._places(left, right))

    def _by_far(self, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
        far = self.far[rows]
        return rows[far], rows[~far]

    def _free(self, rows: Int64Array) -> Int64Array:
        free: Int64Array = rows[self.first[self.place[rows]] == len(self.first)]
        return free

    def _places(self, left: Int64Array, right: Int64Array) -> Pairs:
        """The places of pairs, without those that are apart."""
        if len(self.apart):
            compared = ~np.isin(keys(left, right, len(self.place)), self.apart)
            left, right = left[compared], right[compared]
        return self.place[left], self.place[right]
