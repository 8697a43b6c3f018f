"""How near every sample of a pool has one of a set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array, row_blocks

BLOCK = 1024


@dataclass(frozen=True)
class Coverage:
    """Euclidean distances from samples to the nearest of a set: `radius`, the largest, and that of 95 % of them."""

    radius: float
    radius_95: float


def coverage(features: Float32Array, rows: Int64Array, asked: Int64Array) -> Coverage:
    """How far these rows `asked` of unit rows, float32 (n, d), are from the nearest of the set `rows`; nan when empty.

    Blocks of 1,024 by 1,024 similarities: time grows with the product of both, memory with neither.
    """
    nearest = np.full(len(asked), -np.inf)
    for block in row_blocks(len(asked), BLOCK):
        wanted = features[asked[block]]
        for part in row_blocks(len(rows), BLOCK):
            nearest[block] = np.maximum(nearest[block], (wanted @ features[rows[part]].T).max(axis=1))
    if not len(rows) or not len(asked):
        return Coverage(float("nan"), float("nan"))
    distance = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * nearest))
    return Coverage(float(distance.max()), float(np.quantile(distance, 0.95)))
