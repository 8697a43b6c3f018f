"""Near-duplicates between two sets: every pair that reaches a cosine similarity, from comparing few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import BLOCK, Float32Array, Int64Array, row_blocks
from windrow.tasks.algorithms.neighbors.cosine_pairs import Embeddings
from windrow.tasks.algorithms.neighbors.near_cells import NearCells
from windrow.tasks.algorithms.neighbors.near_pairs import NearPairs


@dataclass(frozen=True)
class PairsBetween:
    """Pairs of a left and a right row, in no order: left, right: int64 (p,); similarity: float32 (p,), cosine.

    n_compared: the number of pairs whose similarity was computed to find them.
    """

    left: Int64Array
    right: Int64Array
    similarity: Float32Array
    n_compared: int


def pairs_between(left: Embeddings, right: Embeddings, threshold: float) -> PairsBetween:
    """Every pair of rows of left (n, d) and right (m, d) whose similarity reaches the threshold, n and m at least 1.

    Memory is that of both sets in one array, of their short rows (`cosine_bounds`), and of the pairs found.
    Raises ValueError for an embedding that is not finite, or sets of different widths.
    """
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"embeddings: the sets have {left.shape[1]} and {right.shape[1]} dimensions")
    n, m = len(left), len(right)
    pairs = NearPairs(np.concatenate([left, right]), threshold, n * m)
    on_left, on_right = np.arange(n), np.arange(n, n + m)
    cells = NearCells(pairs.bounds, on_right, threshold)
    for block in row_blocks(m, BLOCK):
        cells.add(on_right[block])
    found = [np.empty((2, 0), np.int64)]
    for block in row_blocks(n, BLOCK):
        found.extend(map(np.stack, pairs.near(cells.sides(on_left[block]))))
    a, b = np.concatenate(found, axis=1)
    return PairsBetween(a, b - n, pairs.similarity(a, b), pairs.n_compared)
