"""Embeddings made alike: rows of one length about the pool's mean, columns of one deviation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import GRID, Float64Array, Int64Array, row_blocks, unit_rows


def standardisation(embeddings: npt.NDArray[Any]) -> tuple[Float64Array, Float64Array]:
    """Mean (d,) and sqrt(d) times standard deviation (d,) of the L2-normalised rows (n, d).

    A constant column's deviation counts as 1.
    """
    n, d = embeddings.shape
    blocks = row_blocks(n)
    mean = sum((unit_rows(embeddings[b])[0].sum(axis=0) for b in blocks), np.zeros(d)) / n
    squares = sum((np.square(unit_rows(embeddings[b])[0] - mean).sum(axis=0) for b in blocks), np.zeros(d)) / n
    deviation = np.sqrt(squares)
    return mean, np.where(deviation > 1e-12, deviation, 1.0) * np.sqrt(d)


def pool_mean(embeddings: npt.NDArray[Any]) -> Float64Array:
    """Mean (d,) of the rows (n, d) at length 1. Multiples of 2^-26 add up exactly: the order does not matter."""
    sums = np.zeros(embeddings.shape[1])
    for block in row_blocks(len(embeddings)):
        sums += unit_rows(embeddings[block])[0].sum(axis=0)
    return np.asarray(sums / max(len(embeddings), 1))


def centred_units(embeddings: npt.NDArray[Any], origin: Float64Array) -> Float64Array:
    """Rows (m, d) at length 1, less origin (d,), at length 1 again. A row that is the origin becomes 0."""
    return unit_rows(unit_rows(embeddings)[0] - origin)[0]


class CentredRows:
    """What `centred_units` makes of the rows of a pool (n, d), whose own mean is the origin.

    They are made once, in multiples of 2^-26, where these take no more than `memory` bytes, four a number; where they
    take more they are made whenever they are asked for.
    """

    def __init__(self, embeddings: npt.NDArray[Any], memory: int) -> None:
        self.embeddings, self.origin = embeddings, pool_mean(embeddings)
        self._grid: npt.NDArray[np.int32] | None = None
        if 4 * embeddings.size <= memory:
            self._grid = np.empty(embeddings.shape, np.int32)
            for block in row_blocks(len(embeddings)):
                self._grid[block] = centred_units(embeddings[block], self.origin) * GRID

    def __len__(self) -> int:
        return len(self.embeddings)

    def __getitem__(self, rows: slice | Int64Array) -> Float64Array:
        if self._grid is None:
            return centred_units(self.embeddings[rows], self.origin)
        return np.asarray(self._grid[rows] / GRID)


def class_means(units: Float64Array, labels: Int64Array) -> tuple[Int64Array, Float64Array]:
    """The classes (c,) that occur in labels (m,), ascending, and the mean (c, d) of the rows of each."""
    classes = np.unique(labels)
    return classes, np.stack([units[labels == label].mean(axis=0) for label in classes])
