"""Racing: which of many arms is best, when a measurement of each is noisy and costs time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array

Measure = Callable[[Sequence[tuple[int, int]]], Sequence[float]]


@dataclass(frozen=True)
class Race:
    """How a race of n arms ended.

    winner: its number; means: float64 (n,), of what was measured of each; n_seeds: int64 (n,), how often each was.
    """

    winner: int
    means: Float64Array
    n_seeds: Int64Array


def schedule(n_arms: int, first: int, most: int) -> tuple[tuple[int, int], ...]:
    """The rounds: how many arms are in each, and with how many seeds each of them has been measured at its end.

    Raises ValueError unless there is an arm, and 1 <= first <= most.
    """
    if n_arms < 1 or not 1 <= first <= most:
        raise ValueError(f"wants an arm and 1 <= first <= most, got {n_arms} arms, first {first}, most {most}")
    rounds = [(n_arms, first)]
    while rounds[-1][0] > 2 and rounds[-1][1] < most:
        n, seeds = rounds[-1]
        rounds.append((-(-n // 2), min(2 * seeds, most)))
    return tuple(rounds)


def n_measurements(n_arms: int, first: int, most: int) -> int:
    """How many measurements a race takes, whatever they say."""
    rounds = schedule(n_arms, first, most)
    before = [0, *(seeds for _, seeds in rounds)]
    return sum(n * (seeds - known) for (n, seeds), known in zip(rounds, before, strict=False))


def race(n_arms: int, measure: Measure, first: int, most: int) -> Race:
    """Find the arm of the highest mean by successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943).

    All arms are measured with `first` seeds, the better half with twice as many in all, and so on until two are left or
    each that is has `most`; the best mean wins, of equals the first. measure: of pairs (arm, seed), seeds counted from
    0, a value each, higher is better. What was measured once is not measured again.
    """
    values = np.full((n_arms, most), np.nan)
    alive, known = np.arange(n_arms), 0
    for n_alive, seeds in schedule(n_arms, first, most):
        if known:
            alive = np.sort(_best_first(alive, values)[:n_alive])
        pairs = [(int(arm), seed) for arm in alive for seed in range(known, seeds)]
        values[tuple(np.array(pairs).T)] = measure(pairs)
        known = seeds
    n_seeds = (~np.isnan(values)).sum(axis=1)
    return Race(int(_best_first(alive, values)[0]), np.nanmean(values, axis=1), n_seeds)


def _best_first(alive: Int64Array, values: Float64Array) -> Int64Array:
    found: Int64Array = alive[np.lexsort((alive, -np.nanmean(values[alive], axis=1)))]
    return found
