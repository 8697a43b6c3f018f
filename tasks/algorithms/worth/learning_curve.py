"""The learning curve of random sets, and how many random samples have the quality of a set."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array

Told = Literal["interpolated", "lower bound", "upper bound", "extrapolated"]


def curve_sizes(n: int, n_pool: int, largest: int) -> Int64Array:
    """Sizes of random sets around n samples, ascending: n / 8, n / 4, ... up to n_pool, or to `largest`; n is in it.

    The last is the whole pool where that is not larger than `largest`. Raises ValueError unless 1 <= n <= n_pool.
    """
    if not 1 <= n <= n_pool:
        raise ValueError(f"n: wants 1 to {n_pool}, the samples of the pool, got {n}")
    top = max(n, min(n_pool, largest))
    doubled = [n * 2.0**power for power in range(-3, 64) if n * 2.0**power < top / 1.2 or power <= 0]
    return np.unique([max(1, round(size)) for size in (*doubled, top)])


def monotone(values: npt.NDArray[np.float64], weights: Float64Array) -> Float64Array:
    """The non-decreasing rows closest to the rows of values (b, k), weighted least squares (pool adjacent violators).

    weights: float64 (k,), positive. As max over i <= j of min over l >= j of the mean of i..l (Barlow et al. 1972).
    """
    n = values.shape[1]
    sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values * weights, axis=1)], axis=1)
    totals = np.concatenate([[0.0], np.cumsum(weights)])
    best = np.full(values.shape, -np.inf)
    for first in range(n):
        means = (sums[:, first + 1 :] - sums[:, first : first + 1]) / (totals[first + 1 :] - totals[first])
        least = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
        best[:, first:] = np.maximum(best[:, first:], least)
    return best


def matching_size(sizes: Int64Array, curve: Float64Array, quality: Float64Array, n_pool: int) -> Float64Array:
    """How many random samples have this quality, float64 (b,): linear in log size between the points of the curve.

    sizes: int64 (k,), ascending; curve: float64 (b, k), non-decreasing; quality: float64 (b,). Where the curve is level
    the middle (in log size) of what has the quality; beyond its ends the line through the first two points, or the last
    two, but not below one sample nor above the pool.
    """
    logs = np.log(sizes.astype(np.float64))
    found = np.empty(len(curve))
    for row, (levels, wanted) in enumerate(zip(curve, quality, strict=True)):
        found[row] = _at(logs, levels, wanted)
    return np.exp(np.clip(found, 0.0, np.log(n_pool)))


def _at(logs: Float64Array, levels: Float64Array, wanted: float) -> float:
    below, above = np.searchsorted(levels, wanted, side="left"), np.searchsorted(levels, wanted, side="right")
    if below < above:  # points of the curve have this very quality
        return float((logs[below] + logs[above - 1]) / 2)
    if 0 < below < len(levels):
        part = (wanted - levels[below - 1]) / (levels[below] - levels[below - 1])
        return float(logs[below - 1] + part * (logs[below] - logs[below - 1]))
    last = slice(0, 2) if below == 0 else slice(-2, None)
    rise = float(np.diff(levels[last])[0]) if len(levels) > 1 else 0.0
    end = 0 if below == 0 else -1
    if rise <= 0:
        return float("-inf" if below == 0 else "inf")
    return float(logs[end] + (wanted - levels[end]) / rise * np.diff(logs[last])[0])


def how_told(curve: Float64Array, quality: float, sizes: Int64Array, n_pool: int) -> Told:
    """What a matching size is, for a curve (k,): beyond the whole pool a lower bound, beyond the curve extrapolated."""
    if quality > curve[-1]:
        return "lower bound" if sizes[-1] >= n_pool else "extrapolated"
    if quality < curve[0]:
        return "upper bound" if sizes[0] <= 1 else "extrapolated"
    return "interpolated"
