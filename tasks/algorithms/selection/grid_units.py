"""Unit rows whose products are exact, so that greedy choices among them are the same on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, check_embeddings, row_blocks

COARSE_GRID = np.float32(2**11)
"""A product of two rows is a multiple of 2^-22 and, like its partial sums, about 1 at most: float32 holds it."""

CACHED_ROWS = 512  # of a block that the processor's cache holds: half the time of large ones


def grid_units(embeddings: npt.NDArray[Any]) -> Float32Array:
    """Rows of (n, dim) divided by their norm and rounded to multiples of 2^-11, float32 (n, dim); zero rows stay zero.

    Products and squared distances of two rows are exact in float32, whatever the order of summation, the block, the
    thread or the device. Rounding moves a row by at most 2^-12 dim^(1/2), .003 of 128 dimensions. Raises ValueError
    for a row that is not finite.
    """
    check_embeddings("embeddings", embeddings)
    units = np.empty(embeddings.shape, np.float32)
    for block in row_blocks(len(embeddings), CACHED_ROWS):
        rows = embeddings[block].astype(np.float32)
        rows /= _or_one(np.abs(rows).max(axis=1, keepdims=True, initial=0))  # their squares stay in range
        rows *= COARSE_GRID / _or_one(np.sqrt((rows * rows).sum(axis=1, keepdims=True)))
        np.divide(np.rint(rows, out=rows), COARSE_GRID, out=units[block])
    return units


def _or_one(values: Float32Array) -> Float32Array:
    return np.where(values > 0, values, np.float32(1))


def group_sums(units: Float32Array, groups: Int64Array, n_groups: int) -> Float64Array:
    """Sum of the rows (n, dim) of each group, 0 to n_groups - 1: float64 (n_groups, dim), exact up to 8,192 rows."""
    from scipy.sparse import csr_array  # a fifth of a second, which reading settings need not wait for

    order = np.argsort(groups, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=n_groups))])
    member = csr_array((np.ones(len(groups), np.float32), order, ends), shape=(n_groups, len(groups)))
    return np.asarray(member @ units, np.float64)


def members_of(groups: npt.NDArray[np.integer[Any]]) -> list[Int64Array]:
    """The rows of each group that has any, in order of the groups."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(order) else []
