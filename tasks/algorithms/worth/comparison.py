"""Is one set better than another? Differences and multipliers with 95 % intervals, and what they allow to be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Float64Array, Int64Array
from windrow.tasks.algorithms.worth.learning_curve import Told, how_told, matching_size, monotone
from windrow.tasks.algorithms.worth.set_quality import qualities, variance_of_runs

Verdict = Literal["better", "unclear", "worse", "unknown"]
N_DRAWS = 2000
TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Runs:
    """Sets of one size, drawn anew: which of the evaluated samples each is right of, right: bool (r, m)."""

    size: int
    right: BoolArray


@dataclass(frozen=True)
class Luck:
    """How much the quality of a set varies when it is drawn anew: a variance, and its degrees of freedom."""

    variance: float
    freedom: int

    def draws(self, n: int, rng: np.random.Generator) -> Float64Array:
        """Errors (n,) of that variance, from Student's t, as it is an estimate itself."""
        if self.freedom < 1 or self.variance <= 0:
            return np.zeros(n)
        return np.asarray(np.sqrt(self.variance) * rng.standard_t(self.freedom, n))


@dataclass(frozen=True)
class Evaluation:
    """The evaluated samples: their classes truth int64 (m,); groups int64 (m,), from 0, and counts float64 (b, g), how
    often each group counts in a bootstrap of them. sample: see `variance_of_runs`.
    """

    truth: Int64Array
    groups: Int64Array
    counts: Float64Array
    sample: Int64Array | None = None

    @classmethod
    def drawn(
        cls, truth: Int64Array, groups: Int64Array, rng: np.random.Generator, sample: Int64Array | None = None
    ) -> Evaluation:
        """Draw as many groups as there are, with replacement, N_DRAWS times; groups: int64 (m,), what goes together."""
        _, own, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        n = len(sizes)
        drawn = rng.integers(n, size=(N_DRAWS, n)) + n * np.arange(N_DRAWS)[:, None]
        times = np.bincount(drawn.ravel(), minlength=N_DRAWS * n).reshape(N_DRAWS, n)
        return cls(truth, own, times.astype(np.float64), sample)

    def quality(self, right: BoolArray) -> float:
        """The mean quality of runs (r, m)."""
        return float(qualities(right, self.truth, np.ones((1, len(self.truth)))).mean())

    def of(self, right: BoolArray) -> tuple[float, Float64Array]:
        """The mean quality of runs (r, m), and what it is in each draw, (b,)."""
        return self.quality(right), qualities(right, self.truth, self.counts, self.groups).mean(axis=1)

    def variance_of(self, runs: Runs) -> float:
        """That of `variance_of_runs`."""
        return variance_of_runs(runs.right, self.truth, self.sample)


@dataclass(frozen=True)
class Difference:
    """The quality of a set, of what it is compared with, and their difference with its 95 % interval."""

    quality: float
    other: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """The difference, positive where the set is better."""
        return self.quality - self.other

    @property
    def verdict(self) -> Verdict:
        """What the interval allows to be said: each of better and worse is wrong of equals in 2.5 % of all cases."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "unclear"


@dataclass(frozen=True)
class Multiplier:
    """The compute multiplier: so many times as many random samples have the quality of the set; 95 % interval."""

    value: float
    low: float
    high: float
    told: Told


def luck_of(curve: Sequence[Runs], n: int, n_pool: int, evaluation: Evaluation) -> Luck:
    """The luck of a set of n samples: the mean over random sets of half to twice the size; none for the whole pool."""
    near = [runs for runs in curve if n / 2.1 <= runs.size <= n * 2.1 and runs.size < n_pool and len(runs.right) > 1]
    if n >= n_pool or not near:
        return Luck(0.0, 0)
    freedom = [len(runs.right) - 1 for runs in near]
    variances = [evaluation.variance_of(runs) for runs in near]
    return Luck(float(np.average(variances, weights=freedom)), sum(freedom))


def luck_of_mean(sets: Sequence[Int64Array], n_pool: int) -> float:
    """The variance of the mean over sets of a policy, as a multiple of that of one set: 1 / s where they are as
    different as random ones, 1 where all are the same set, which has its luck but once.

    sets: s arrays of different rows of the pool. In between it goes by what two of them share beyond chance.
    """
    s = len(sets)
    if s < 2 or not all(len(rows) for rows in sets):
        return 1.0
    pairs = [(a, b) for number, a in enumerate(sets) for b in sets[:number]]
    shared = float(np.mean([len(np.intersect1d(a, b)) / min(len(a), len(b)) for a, b in pairs]))
    chance = sum(map(len, sets)) / (s * n_pool)
    same = float(np.clip((shared - chance) / max(1 - chance, 1e-9), 0, 1))
    return same + (1 - same) / s


def compare(
    right: BoolArray, others: BoolArray, evaluation: Evaluation, luck: Luck, rng: np.random.Generator
) -> Difference:
    """The difference between a set, right: bool (m,), and the mean of others, bool (r, m), on the same samples.

    Of several sets, right: bool (s, m), it is the mean.

    The interval holds what other evaluated samples would change (paired: both are judged on the same draws) and what
    other draws of both sets would, of variance `luck`.
    """
    (quality, own), (other, theirs) = evaluation.of(np.atleast_2d(right)), evaluation.of(others)
    drawn = own - theirs
    wide = drawn.mean() + (drawn - drawn.mean()) * _few(evaluation.truth)
    low, high = np.quantile(wide + luck.draws(N_DRAWS, rng), TAILS)
    return Difference(quality, other, float(low), float(high))


def _few(truth: Int64Array) -> float:
    """What a bootstrap's deviation of a mean over classes lacks, as a factor; 1 where no class has two samples.

    A class of s samples adds its variance over s, of which a bootstrap sees the part 1 - 1 / s, and of a class of one
    sample nothing. So classes with few samples, which make most of the variance, make most of the factor too.
    """
    sizes = np.unique(truth, return_counts=True)[1].astype(np.float64)
    seen = ((1 - 1 / sizes) / sizes).sum()
    return float(np.sqrt((1 / sizes).sum() / seen)) if seen > 0 else 1.0


def multiplier_of(
    right: BoolArray, n: int, curve: Sequence[Runs], n_pool: int, evaluation: Evaluation, rng: np.random.Generator
) -> Multiplier:
    """The compute multiplier of a set of n samples, right: bool (m,), by the learning curve of random sets.

    The curve is the non-decreasing one closest to the mean qualities. The interval is the 2.5 to 97.5 % quantile over
    draws of the evaluated samples, the same for all sets, and of all sets by their luck (`variance_of_runs`).
    """
    sizes = np.array([runs.size for runs in curve])
    weights = np.array([float(len(runs.right)) for runs in curve])
    found = [evaluation.of(runs.right) for runs in curve]
    drawn = np.stack([draws for _, draws in found], axis=1)
    for column, runs in enumerate(curve):
        luck = luck_of(curve, runs.size, n_pool, evaluation)
        drawn[:, column] += Luck(luck.variance / len(runs.right), luck.freedom).draws(N_DRAWS, rng)
    quality, own = evaluation.of(right[None])
    own = own + luck_of(curve, n, n_pool, evaluation).draws(N_DRAWS, rng)
    levels = monotone(np.array([[mean for mean, _ in found]]), weights)
    value = matching_size(sizes, levels, np.array([quality]), n_pool)[0] / n
    spread = matching_size(sizes, monotone(drawn, weights), own, n_pool) / n
    low, high = np.quantile(spread, TAILS)
    return Multiplier(float(value), float(low), float(high), how_told(levels[0], quality, sizes, n_pool))
