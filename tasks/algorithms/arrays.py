"""Array types by name (docstrings say the shape), and what every room does with rows: check, cut and normalise them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt64Array = npt.NDArray[np.uint64]


def as_embeddings(values: Any, name: str = "embeddings") -> npt.NDArray[np.floating[Any]]:
    """Embeddings as they may come, as float16 or float32 (n, d): what is neither, lists too, becomes float32.

    Raises ValueError, naming the argument, for what are no rows of equally many numbers.
    """
    try:
        found = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name}: expected numbers of shape (n, d): {error}") from None
    if found.ndim != 2 or found.dtype.kind not in "fiub":
        raise ValueError(f"{name}: expected numbers of shape (n, d), got {found.dtype} {found.shape}")
    with np.errstate(over="ignore"):  # becomes infinite, which is refused with its row
        return found if found.dtype in (np.float16, np.float32) else found.astype(np.float32)


BLOCK = 8192
BLOCK_VALUES = 2**22  # 32 MB in float64
AT_ONCE = 2**17  # values that are worked on at once: 1 MB in float64, which stays in cache
GRID = 2.0**26
FEW_COLUMNS = 32


def row_blocks(n: int, size: int = BLOCK) -> list[slice]:
    """The slices of at most `size` rows that together are range(n)."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def wide_blocks(n: int, n_columns: int) -> list[slice]:
    """The slices of `row_blocks`, or shorter ones where a row has so many numbers that a block would be large.

    For what is done row by row, or summed exactly: what else depends on the blocks keeps to `row_blocks`.
    """
    return row_blocks(n, min(max(BLOCK_VALUES // max(n_columns, 1), 1), BLOCK))


def unit_rows(vectors: npt.NDArray[Any]) -> tuple[Float64Array, Float64Array]:
    """Rows of (n, d) divided by their norm and rounded to multiples of 2^-26, and the norms (n,).

    A zero row stays zero. The product of two such arrays is exact in float64, whatever the order of summation.
    """
    units = np.array(vectors, dtype=np.float64, order="C")
    norms = np.empty(len(units))
    for part in row_blocks(len(units), max(AT_ONCE // max(units.shape[1], 1), 1)):
        rows = units[part]
        # A power of two: dividing by it is exact, and the squares of very small or large numbers stay in range.
        largest = np.abs(rows).max(axis=1, initial=0.0)
        scale = np.exp2(np.floor(np.log2(np.where(largest > 0, largest, 1.0))))
        rows /= scale[:, None]
        length = np.sqrt((rows * rows).sum(axis=1))
        rows /= np.where(length > 0, length, 1.0)[:, None]
        rows *= GRID
        np.rint(rows, out=rows)
        rows /= GRID
        norms[part] = length * scale
    return units, norms


def over_columns(ufunc: np.ufunc, values: Float64Array) -> Float64Array:
    """The reduction (n,) of few columns (n, c), several times as fast as NumPy's along short rows."""
    found = values[:, 0].copy()
    for column in values.T[1:]:
        ufunc(found, column, out=found)
    return found


def row_maxima(values: Float64Array) -> Float64Array:
    """The largest number (n, 1) of each row of values (n, c), c at least 1."""
    few = values.shape[1] <= FEW_COLUMNS
    return (over_columns(np.maximum, values) if few else values.max(axis=1))[:, None]


def check_embeddings(name: str, embeddings: npt.NDArray[Any]) -> None:
    """Raise ValueError, naming the argument, unless it is a finite (n, d) array."""
    if embeddings.ndim != 2:
        raise ValueError(f"{name} must have shape (n, d), got {embeddings.shape}")
    for rows in row_blocks(len(embeddings)):
        finite = np.isfinite(embeddings[rows])
        if not finite.all():
            row = rows.start + int(np.flatnonzero(~finite.all(axis=1))[0])
            raise ValueError(f"{name} must be finite, row {row} is not")
