"""Cells of short rows: which rows can be near another, without a product with each.

For x in the cell of centroid A and y in that of B, x and y are at least as far from each other as both together are
from the plane half way between A and B. With D(x) = |x - B|^2 - |x - A|^2, and the same for y with A and B exchanged,
that is D(x) + D(y) <= 2 |A - B| |x - y|. Of each cell the least D(y) is kept, so whole cells are ruled out for x. It
holds in whichever cell a row is: badly found centroids cost time, and no pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.clustering.kmeans import kmeans
from windrow.tasks.algorithms.neighbors.cosine_bounds import CosineBounds
from windrow.tasks.algorithms.neighbors.near_pairs import Pairs

ROWS_A_CELL = 200
LEAST_CELLS = 256
"""Fewer cost more than they spare."""
MOST_CELLS = 2048
FITTED_A_CELL = 16
ITERATIONS = 5


class NearCells:
    """Rows of bounds that were added, each in the cell of the nearest centroid. Centroids are found on members (m,)."""

    def __init__(self, bounds: CosineBounds, members: Int64Array, threshold: float) -> None:
        self.short = bounds.short
        self.centroids = _centroids(bounds.short, members)
        exact = self.centroids.astype(np.float64)
        squares = np.einsum("ij,ij->i", exact, exact)
        self.halves = (squares / 2).astype(np.float32)
        apart = np.maximum(squares[:, None] + squares - 2 * exact @ exact.T, 0)
        # |x - y|^2 = |x|^2 + |y|^2 - 2 x.y for short rows whose product reaches the threshold, 1 + 2^-21 at most each
        within = 2 - 2 * threshold + 2 * bounds.slack + 2.0**-20
        # four products of p + 1 numbers, and what they are added to: a quarter of it
        rounding = (self.short.shape[1] + 15) * 2.0**-20
        self.reach = (np.sqrt(within * apart) + rounding).astype(np.float32)
        self.limit = np.full(apart.shape, -np.inf, np.float32)
        """Of a cell B (row) and a cell A (column): the largest D / 2 of an x of A that has to be held against B."""
        self.rows = [np.empty(0, np.int64) for _ in squares]

    def empty(self) -> NearCells:
        """The same cells, without rows."""
        cells = copy(self)
        cells.limit = np.full(self.limit.shape, -np.inf, np.float32)
        cells.rows = [np.empty(0, np.int64) for _ in self.rows]
        return cells

    def add(self, rows: Int64Array) -> None:
        """Put rows (a,) in their cells; without any, nothing happens."""
        if len(rows) == 0:
            return
        halves, cell = self._halves(rows)
        order = np.argsort(cell, kind="stable")
        starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
        least = np.minimum.reduceat(halves[:, order], starts, axis=1).T
        filled = cell[order[starts]]
        self.limit[filled] = np.maximum(self.limit[filled], self.reach[filled] - least)
        for which, some in zip(filled, np.split(rows[order], starts[1:]), strict=True):
            self.rows[which] = np.concatenate([self.rows[which], some])

    def sides(self, rows: Int64Array) -> Iterator[Pairs]:
        """Some of rows (a,), and the rows of a cell that can be near them: all such pairs are among these."""
        halves, cell = self._halves(rows)
        can_be = halves <= self.limit[:, cell]
        for which in np.flatnonzero(can_be.any(axis=1)):
            yield rows[can_be[which]], self.rows[which]

    def _halves(self, rows: Int64Array) -> tuple[Float32Array, Int64Array]:
        """D / 2 of each centroid and row (k, a), and the rows' cells (a,)."""
        halves = self.halves[:, None] - self.centroids @ self.short[rows].T
        cell = halves.argmin(axis=0)
        return halves - halves[cell, np.arange(len(rows))], cell


def _centroids(short: Float32Array, members: Int64Array) -> Float32Array:
    """Centroids (k, p + 1) of a sample of members; one, which rules nothing out, where cells would not pay."""
    k = min(len(members) // ROWS_A_CELL, MOST_CELLS)
    if k < LEAST_CELLS:
        return np.zeros((1, short.shape[1]), np.float32)
    fitted = np.arange(k * FITTED_A_CELL) * len(members) // (k * FITTED_A_CELL)
    return kmeans(short[np.sort(members[fitted])], k, seed=0, n_iters=ITERATIONS).centroids
