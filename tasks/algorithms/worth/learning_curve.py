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
    wanted = quality[:, None]
    below, upto = (curve < wanted).sum(axis=1), (curve <= wanted).sum(axis=1)
    logs = np.log(sizes.astype(np.float64))
    level = (logs[np.minimum(below, len(logs) - 1)] + logs[np.maximum(upto - 1, 0)]) / 2
    found = np.where(below < upto, level, _on_the_line(logs, curve, quality, below))
    return np.asarray(np.exp(np.clip(found, 0.0, np.log(n_pool))))


def _on_the_line(logs: Float64Array, curve: Float64Array, quality: Float64Array, below: Int64Array) -> Float64Array:
    """Where the line through two neighbouring points has the quality; without a rise it is infinitely far away."""
    beyond = np.where(below == 0, -np.inf, np.inf)
    if len(logs) == 1:
        return beyond
    right = np.clip(below, 1, len(logs) - 1)
    rows = np.arange(len(curve))
    start, rise = curve[rows, right - 1], curve[rows, right] - curve[rows, right - 1]
    steps = (quality - start) / np.where(rise > 0, rise, 1.0)
    return np.where(rise > 0, logs[right - 1] + steps * (logs[right] - logs[right - 1]), beyond)


def how_told(curve: Float64Array, quality: float, sizes: Int64Array, n_pool: int) -> Told:
    """What a matching size is, for a curve (k,): beyond the whole pool a lower bound, beyond the curve extrapolated."""
    if quality > curve[-1]:
        return "lower bound" if sizes[-1] >= n_pool else "extrapolated"
    if quality < curve[0]:
        return "upper bound" if sizes[0] <= 1 else "extrapolated"
    return "interpolated"
