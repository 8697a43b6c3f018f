"""Pairs of rows that reach a cosine similarity: short rows rule nearly all others out, the rest are compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from windrow.tasks.algorithms.arrays import Int64Array, row_blocks
from windrow.tasks.algorithms.neighbors.cosine_bounds import GATHERED, cosine_bounds
from windrow.tasks.algorithms.neighbors.cosine_pairs import CosinePairs, Embeddings

Pairs = tuple[Int64Array, Int64Array]
"""Rows of a pair each, two int64 (p,)."""
QUERIES, BASE = 256, 2048
"""Rows of a product of short rows, which stays in the processor's cache."""
COMPARED_AT_ONCE = 2**15
FEW = 512
"""So many candidates of a product wait for others, whatever their share."""


class NearPairs(CosinePairs):
    """The same, and which of many pairs reach the threshold. None is lost and none is invented.

    n_pairs: about how many there will be. n_compared: of how many the similarity was computed so far.
    """

    def __init__(self, embeddings: Embeddings, threshold: float, n_pairs: int) -> None:
        import torch

        super().__init__(embeddings, threshold)
        self.bounds = cosine_bounds(self, n_pairs)
        self.n_compared = 0
        # Made once: memory that is asked for again and again costs as much as the products.
        self._products = torch.empty(QUERIES * BASE)
        self._are_near = np.empty(QUERIES * BASE, np.bool_)

    def near(self, sides: Iterable[Pairs]) -> Iterator[Pairs]:
        """The pairs that reach the threshold of a row of a left side (a,) and one of its right side (b,).

        No row is in both. They come in no order, a few at a time: memory is that of a product, not of all pairs.
        """
        waiting, n_waiting = [], 0
        for left, right in (tile for pair in sides for tile in _tiles(*pair)):
            i, j = self._candidates(left, right)
            if self._are_many(len(i), len(left) * len(right)):
                i, j = np.nonzero(self.compare(left, right)[1])
                yield left[i], right[j]
                continue
            waiting.append((left[i], right[j]))
            n_waiting += len(i)
            if n_waiting > COMPARED_AT_ONCE:
                yield self._reaching(waiting)
                waiting, n_waiting = [], 0
        if waiting:
            yield self._reaching(waiting)

    def among(self, rows: Int64Array) -> Pairs:
        """The pairs of at most QUERIES rows (a,) that reach the threshold, each once."""
        i, j = self._candidates(rows, rows)
        once = i < j
        if self._are_many(int(once.sum()), len(rows) * (len(rows) - 1) // 2):
            i, j = np.nonzero(np.triu(self.compare(rows, rows)[1], 1))
            return rows[i], rows[j]
        return self._reaching([(rows[i[once]], rows[j[once]])])

    def _candidates(self, left: Int64Array, right: Int64Array) -> Pairs:
        """Places of pairs in left and in right that short rows do not rule out."""
        import torch

        a, b = (torch.from_numpy(np.take(self.bounds.short, rows, axis=0)) for rows in (left, right))
        n = len(left) * len(right)
        torch.mm(a, b.T, out=self._products[:n].view(len(left), len(right)))
        least = np.float32(self.threshold - self.bounds.slack)
        at = np.flatnonzero(np.greater_equal(self._products[:n].numpy(), least, out=self._are_near[:n]))
        return at // len(right), at % len(right)

    def _are_many(self, n_candidates: int, n_pairs: int) -> bool:
        """Whether comparing all costs less than comparing the candidates, and counts what is compared then."""
        many = n_candidates > max(n_pairs / GATHERED, FEW)
        self.n_compared += n_pairs if many else n_candidates
        return many

    def _reaching(self, candidates: list[Pairs]) -> Pairs:
        left, right = (np.concatenate(side) for side in zip(*candidates, strict=True))
        reached = self.similarity(left, right) >= self.threshold
        return left[reached], right[reached]


def _tiles(left: Int64Array, right: Int64Array) -> Iterator[Pairs]:
    for others in row_blocks(len(right), BASE):
        for rows in row_blocks(len(left), QUERIES * BASE // (others.stop - others.start)):
            yield left[rows], right[others]
