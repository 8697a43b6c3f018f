"""Comparing points with centroids on the CPU: blocked float32 matrix products by numpy's BLAS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Int32Array, Int64Array
from windrow.tasks.algorithms.clustering.points import LOW_BITS

CHUNK = 512  # points a matrix product: with TILE centroids, 4 MB of scores, which stays in cache
TILE = 2048
COLUMNS = 32  # coordinates that are summed at once: those of 8,192 points, as float64, are 2 MB
FEW = 256  # points whose centroids are looked at one by one
UNIT = 2.0**-24  # the relative rounding error of one float32 operation
TINY = 2.0**-126  # below this float32 has fewer bits, and no relative error holds


@dataclass(frozen=True)
class HostBlock:
    """Some rows of the points.

    rows: their place; values: as they came; x: float32 (m, d + 1), shifted by the mean of all points, then a column of
    ones (which adds a centroid's half squared length to a product); length: float32 (m,), of the shifted rows.
    """

    rows: slice
    values: npt.NDArray[np.floating[Any]]
    x: Float32Array
    length: Float32Array

    @classmethod
    def of(cls, rows: slice, raw: npt.NDArray[np.floating[Any]], origin: Float32Array) -> HostBlock:
        """Rows as they came, shifted by origin."""
        x = np.empty((len(raw), len(origin) + 1), np.float32)
        np.subtract(raw, origin, out=x[:, :-1])
        x[:, -1] = 1
        squared = np.einsum("ij,ij->i", x[:, :-1], x[:, :-1], dtype=np.float64)
        return cls(rows, raw, x, np.sqrt(squared).astype(np.float32))

    def take(self, rows: Int64Array) -> HostBlock:
        """Only some of its rows."""
        return HostBlock(self.rows, self.values[rows], self.x[rows], self.length[rows])

    def raw(self, rows: Int64Array) -> npt.NDArray[np.floating[Any]]:
        """See `Block.raw`."""
        return self.values[rows]

    def sums(self, rows: Int64Array, groups: Int32Array, scale: float) -> tuple[Int64Array, Int64Array, Int64Array]:
        """See `Block.sums`. Whole numbers in float64 add up exactly, in the order of a sparse product too."""
        from scipy.sparse import csr_array

        found, group, counts = np.unique(groups, return_inverse=True, return_counts=True)
        order, ends = np.argsort(group, kind="stable"), np.cumsum(counts)
        members = csr_array((np.ones(len(rows)), order, np.append(0, ends)), shape=(len(found), len(rows)))
        dim = self.values.shape[1]
        words = np.empty((2, len(found), dim), np.int64)
        for first in range(0, dim, COLUMNS):
            columns = slice(first, min(first + COLUMNS, dim))
            rest = self.values[rows, columns].astype(np.float64)
            for word, bits in enumerate((scale, 2.0**LOW_BITS)):
                rest *= bits
                whole = np.rint(rest)
                words[word, :, columns] = members @ whole
                rest -= whole
        return found.astype(np.int64), counts, words


class HostSearch:
    """Centroids to be compared with points. At most CHUNK x TILE scores exist at once, in each thread."""

    def __init__(self, centroids: Float32Array, origin: Float32Array, only: Int64Array | None = None) -> None:
        k, dim = centroids.shape
        self.centroids = centroids
        self.ids = np.arange(k) if only is None else only
        self.place = np.full(k + 1, -1, np.int64)  # the last is that of centroid -1, which is none
        self.place[self.ids] = np.arange(len(self.ids))
        shifted = centroids[self.ids] - origin
        squared = np.einsum("ij,ij->i", shifted, shifted)
        self.weights = np.empty((len(self.ids), dim + 1), np.float32)
        np.negative(shifted, out=self.weights[:, :-1])
        self.weights[:, -1] = squared / 2
        self.lengths = np.sqrt(squared)
        self.longest = np.float32(self.lengths.max(initial=0))

    def length_of(self, centroid: Int64Array) -> Float32Array:
        """See `Search.length_of`."""
        found: Float32Array = self.lengths[self.place[centroid]]
        return found

    def error(self, length: Float32Array, reach: Float32Array) -> Float32Array:
        """See `Search.error`: |fl(x.c) - x.c| <= gamma |x| |c|, and half of the squared length likewise."""
        return score_error(rounding(self.centroids.shape[1]), length, np.minimum(reach, self.longest))

    def best_two(
        self, block: HostBlock, own: Int32Array, part: slice = slice(None)
    ) -> tuple[Int64Array, Float32Array, Float32Array]:
        """See `Search.best_two`."""
        best = np.full(len(own), np.inf, np.float32)
        second = best.copy()
        winner = np.zeros(len(own), np.int64)
        tiles = range(*part.indices(len(self.ids))[:2], TILE)
        room = np.empty(min(CHUNK, len(own)) * min(TILE, max(tiles.stop - tiles.start, 1)), np.float32)
        for start in range(0, len(own), CHUNK):
            rows = slice(start, start + CHUNK)
            skipped = self.place[own[rows]]
            for first in tiles:
                scores = _product(block.x[rows], self.weights[first : min(first + TILE, tiles.stop)], room)
                _keep_two(scores, skipped - first, first, best[rows], second[rows], winner[rows])
        return self.ids[winner], best, second

    def few(self, block: HostBlock, n: int) -> Int64Array:
        """See `Search.few`."""
        found = np.empty((len(block.length), n), np.int64)
        for start in range(0, len(found), CHUNK):
            scores = block.x[start : start + CHUNK] @ self.weights.T
            found[start : start + CHUNK] = np.argpartition(scores, n - 1, axis=1)[:, :n]
        return self.ids[found]

    def within(self, block: HostBlock, limit: Float32Array) -> Iterator[tuple[Int64Array, Int64Array]]:
        """See `Search.within`."""
        for start in range(0, len(limit), FEW):
            for first in range(0, len(self.ids), TILE):
                scores = block.x[start : start + FEW] @ self.weights[first : first + TILE].T
                row, column = np.nonzero(scores <= limit[start : start + FEW, None])
                yield row + start, self.ids[column + first]

    def distances(self, block: HostBlock, nearest: Int32Array, rows: Int64Array) -> Float32Array:
        """See `Search.distances`. Squares are added in float64, which leaves no trace of their order in float32."""
        found = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            difference = self.centroids[nearest[part]]
            difference -= block.values[part]
            exact = difference.astype(np.float64)
            found[start : start + CHUNK] = np.sqrt(np.einsum("ij,ij->i", exact, exact))
        return found


def _product(x: Float32Array, weights: Float32Array, room: Float32Array) -> Float32Array:
    """x weights^T, in memory that is used again."""
    shape = len(x), len(weights)
    return np.matmul(x, weights.T, out=room[: shape[0] * shape[1]].reshape(shape))


def _keep_two(
    scores: Float32Array, skipped: Int64Array, first: int, best: Float32Array, second: Float32Array, winner: Int64Array
) -> None:
    """Merge a tile's two lowest scores of each row into those found so far, without the row's own centroid."""
    row = np.arange(len(scores))
    own = np.flatnonzero((skipped >= 0) & (skipped < scores.shape[1]))
    scores[own, skipped[own]] = np.inf
    lowest = scores.argmin(axis=1)
    score = scores[row, lowest]
    scores[row, lowest] = np.inf
    np.minimum(second, np.minimum(scores.min(axis=1), np.maximum(best, score)), out=second)
    better = score < best
    winner[better] = lowest[better] + first
    np.minimum(best, score, out=best)


def score_error(gamma: float, length: Float32Array, reach: Float32Array) -> Float32Array:
    """A bound on the error of scores of centroids up to a length, for a relative error gamma of products.

    Centroids a little beyond the reach are covered as well: it allows twice what half a squared length may be off by.
    The last term is for going from scores to distances and back: |x|^2, of a length that was rounded once, is off by a
    few units whatever the centroids' lengths are.
    """
    return (gamma * reach * (length + reach) + 8 * UNIT * np.square(length) + TINY).astype(np.float32)


def rounding(dim: int) -> float:
    """The relative error of a float32 dot product of dim terms and of the few operations around it.

    dim u in the worst case; 10 sqrt(dim) u with a probability beyond 1 - 2 exp(-50) for rounding errors that are
    independent with mean zero (Higham and Mary 2019, 'A new approach to probabilistic rounding error analysis').
    """
    return (min(dim, 10 * float(np.sqrt(dim))) + 8) * UNIT
