"""The values of a SQL expression as numbers: of groups, or to order by."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import BoolArray, Float64Array, Int64Array


def group_numbers(values: npt.NDArray[Any]) -> Int64Array:
    """A number for each value, int64 (n,), from 1 in the order of the values; 0 where there is none.

    values: (n,); None, NaN and what a mask hides are none. They depend on which values there are, not on their order.
    """
    missing, data = _missing(values), np.ma.getdata(values)
    numbers = np.zeros(len(data), np.int64)
    if data.dtype == object:  # a set of texts costs a fifth of sorting them all
        there = data[~missing].tolist()
        number_of = {value: number for number, value in enumerate(sorted(set(there)), 1)}
        numbers[~missing] = [number_of[value] for value in there]
    else:
        numbers[~missing] = np.unique(data[~missing], return_inverse=True)[1] + 1
    return numbers


def sort_keys(values: npt.NDArray[Any], *, descending: bool = False) -> Float64Array:
    """Numbers in the order of the values, lowest first, float64 (n,); infinite where there is none: they come last."""
    missing, data = _missing(values), np.ma.getdata(values)
    numbers = data if data.dtype.kind in "biuf" else group_numbers(values)
    keys = np.where(missing, 0, numbers).astype(np.float64)
    keys = np.where(missing, np.inf, -keys if descending else keys)
    return np.asarray(keys)


def _missing(values: npt.NDArray[Any]) -> BoolArray:
    hidden, data = np.ma.getmaskarray(values), np.ma.getdata(values)
    if data.dtype == object:
        return np.asarray(hidden | np.array([value is None or value != value for value in data.tolist()], bool))
    return np.asarray(hidden | np.isnan(data) if data.dtype.kind == "f" else hidden)
