"""Columns of one size, for what is fitted by gradient steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float64Array
from windrow.tasks.algorithms.labels.makers.sinkhorn import row_blocks
from windrow.tasks.algorithms.neighbors.exact_neighbors import unit_rows


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
