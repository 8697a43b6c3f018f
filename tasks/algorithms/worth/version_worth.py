"""What a ranked selection is worth against random sets, deduplicated ones and the last version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.states.known_states import KnownStates
from windrow.tasks.algorithms.worth.comparison import (
    Difference,
    Evaluation,
    Luck,
    Multiplier,
    Runs,
    compare,
    luck_of,
    multiplier_of,
)
from windrow.tasks.algorithms.worth.learning_curve import curve_sizes
from windrow.tasks.algorithms.worth.set_probe import JudgedPool, SetProbe


@dataclass(frozen=True)
class Judging:
    """How sets are judged. `n_seeds`: random sets of each size; `largest`: samples of a set that probes train on."""

    probe: SetProbe
    n_seeds: int
    largest: int
    seed: int


@dataclass(frozen=True)
class LastVersion:
    """The last version: its rows of the pool, by its rank, and its own labels and their weights, (n,) as the pool's,
    or its own states.

    usable: bool (k,), the evaluated samples that had no part in it.
    """

    rows: Int64Array
    labels: Int64Array
    weights: Float64Array
    usable: BoolArray
    states: KnownStates | None = None


@dataclass(frozen=True)
class WorthOfVersion:
    """What a version of n samples is worth; `last` with the number that both are cut to, None without a last version.

    deduplicated is None where nothing was dropped as a near-duplicate.
    """

    n: int
    curve: tuple[Runs, ...]
    random: Difference
    multiplier: Multiplier
    deduplicated: Difference | None
    last: tuple[int, Difference] | None


def random_set(candidates: Int64Array, size: int, seed: Sequence[int]) -> Int64Array:
    """So many of these rows, int64 (size,): all are as likely."""
    return np.sort(np.random.default_rng(seed).permutation(candidates)[:size])


def worth_of_version(
    pool: JudgedPool,
    groups: Int64Array,
    ranked: Int64Array,
    distinct: Int64Array,
    last: LastVersion | None,
    judging: Judging,
    class_weighted: bool,
) -> WorthOfVersion:
    """Judge the selection `ranked`, rows of the pool by rank, by what probes learn from it and from other sets.

    groups: int64 (k,), of the evaluated samples; distinct: rows of the pool without near-duplicates, which may be all.
    A selection larger than `judging.largest` is judged by its beginning. Every random choice follows from the seed.
    """
    n_pool, n = len(pool.labels), min(len(ranked), judging.largest)
    every = np.arange(n_pool)

    def drawn(candidates: Int64Array, size: int, kind: int) -> Runs:
        n_runs = judging.n_seeds if size < len(candidates) else 1
        sets = [random_set(candidates, size, (judging.seed, kind, size, run)) for run in range(n_runs)]
        right = [judging.probe.right(pool, rows, class_weighted, run) for run, rows in enumerate(sets)]
        return Runs(size, np.stack(right))

    curve = tuple(drawn(every, int(size), 0) for size in curve_sizes(n, n_pool, judging.largest))
    rng = np.random.default_rng((judging.seed, 1))
    evaluation = Evaluation.drawn(pool.truth, groups[pool.asked], rng, pool.sample)
    right = judging.probe.right(pool, ranked[:n], class_weighted, 0)
    luck = luck_of(curve, n, n_pool, evaluation)

    def against(runs: Runs) -> Difference:
        both = Luck(luck.variance * (1 + 1 / len(runs.right)), luck.freedom)
        return compare(right, runs.right, evaluation, both, rng)

    same_size = next(runs for runs in curve if runs.size == n)
    fewer = min(n, len(distinct))
    return WorthOfVersion(
        n,
        curve,
        against(same_size),
        multiplier_of(right, n, curve, n_pool, evaluation, rng),
        against(drawn(distinct, fewer, 2)) if len(distinct) < n_pool else None,
        None if last is None else _against_last(pool, groups, ranked, last, judging, curve, class_weighted),
    )


def _against_last(
    pool: JudgedPool,
    groups: Int64Array,
    ranked: Int64Array,
    last: LastVersion,
    judging: Judging,
    curve: Sequence[Runs],
    class_weighted: bool,
) -> tuple[int, Difference]:
    """Both cut to the same number of samples: how many a version has is a wish, not a merit."""
    n = min(len(ranked), len(last.rows), judging.largest)
    fair, usable = last.usable[pool.asked], pool.only(last.usable)
    new, old = ranked[:n], last.rows[:n]
    labelled_before = replace(pool, labels=last.labels, weights=last.weights, states=last.states)
    right = judging.probe.right(pool, new, class_weighted, 0)[fair]
    before = judging.probe.right(labelled_before, old, class_weighted, 0)[fair]
    seen = [Runs(runs.size, runs.right[:, fair]) for runs in curve]
    apart = min(1.0, (1 - len(np.intersect1d(new, old)) / n) / max(1 - n / len(pool.labels), 1e-9))
    rng = np.random.default_rng((judging.seed, 3))
    evaluation = Evaluation.drawn(usable.truth, groups[pool.asked][fair], rng, usable.sample)
    luck = luck_of(seen, n, len(pool.labels), evaluation)
    return n, compare(right, before[None], evaluation, Luck(2 * luck.variance * apart, luck.freedom), rng)
