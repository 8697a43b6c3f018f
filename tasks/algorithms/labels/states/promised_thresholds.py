"""From which probability on a class is said to be present, or absent, so that what is said is right as often as asked.

Both promises hold for all draws of the known states but a share `failure_rate`, where these are drawn as the pool is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array
from windrow.tasks.algorithms.labels.deciding.conformal import conformal_rank

GROWTH = 1.1
"""How many more of the surest are looked at, from one step to the next."""
MOST_STARTS = 3


@dataclass(frozen=True)
class PromisedThresholds:
    """present: the least probability of what is said to be present, absent: the largest of what is said to be absent;
    None where that is never said."""

    present: float | None
    absent: float | None


def least_needed(promise: float, failure_rate: float) -> int:
    """How many known states can hold a promise at least, where none of them breaks it."""
    return math.ceil(math.log(failure_rate) / math.log(promise))


def promised_thresholds(
    held_out: Float32Array, present: BoolArray, promise: float = 0.9, failure_rate: float = 0.1
) -> PromisedThresholds:
    """Return the thresholds for out-of-sample probabilities (m,) of samples whose state, present (m,), is known.

    Said to be present: of what is said, a share of `promise` is right or more, from a probability of 1/2 on. Said to be
    absent, below that: the same, and of what is present no more than 1 - promise is said to be absent, without which a
    rare class would be absent wherever nothing is known (class-conditional conformal prediction, `conformal_rank`).
    """
    for name, value in (("promise", promise), ("failure_rate", failure_rate)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must be between 0 and 1, got {value}")
    sure = held_out >= np.float32(0.5)
    least = surest_that_hold(held_out[sure], present[sure], promise, failure_rate)
    rest = surest_that_hold(-held_out[~sure], ~present[~sure], promise, failure_rate)
    missed = _least_missed(held_out[present], 1 - promise, failure_rate)
    if rest is None or missed is None:
        return PromisedThresholds(least, None)
    below = held_out[(~sure) & (held_out <= np.float32(-rest)) & (held_out < np.float32(missed))]
    return PromisedThresholds(least, float(below.max()) if len(below) else None)


def surest_that_hold(scores: Float32Array, right: BoolArray, promise: float, failure_rate: float) -> float | None:
    """The least score (of (m,)) such that those of it or more are right (m,) in a share of promise; None for none.

    Fixed-sequence testing (Angelopoulos et al. 2021, Learn then test, section 4.1 and, for several starts, B): the
    surest k are tested by the binomial distribution, for ever larger k, until a test fails; the order depends on scores
    alone. Starts at more than the least k share the failure rate, so that one early mistake is not the end.
    """
    m = len(scores)
    n_starts = next(
        (n for n in range(MOST_STARTS, 1, -1) if m >= least_needed(promise, failure_rate / n) * 2 ** (n - 1)),
        1,
    )
    first = least_needed(promise, failure_rate / n_starts)
    order = np.argsort(-scores, kind="stable")
    ranked, errors = scores[order], np.cumsum(~right[order])
    found: float | None = None
    for start in (first * 2**number for number in range(n_starts)):
        k = start
        while k <= m:
            while k < m and ranked[k] == ranked[k - 1]:  # of equals all are said
                k += 1
            if binom.cdf(int(errors[k - 1]), k, 1 - promise) > failure_rate / n_starts:
                break
            found = float(ranked[k - 1]) if found is None else min(found, float(ranked[k - 1]))
            if k == m:
                break
            k = min(max(k + 1, int(k * GROWTH)), m)
    return found


def _least_missed(of_present: Float32Array, miss_rate: float, failure_rate: float) -> float | None:
    """The probability below which at most miss_rate of what is present lies; None where too few are known."""
    rank = conformal_rank(len(of_present), miss_rate, failure_rate)
    return float(-np.sort(-of_present)[rank - 1]) if rank <= len(of_present) else None
