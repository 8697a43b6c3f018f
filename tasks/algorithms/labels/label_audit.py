"""How right pseudo-labels are: the coverage-accuracy curve, and a sample to check by hand with what it proves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array
from windrow.tasks.algorithms.selection.seeded_order import seeded_order

# Effective counts are fractions; below this they are what rounding left of 0, which the Beta law cannot take.
SMALLEST_COUNT = 1e-9


@dataclass(frozen=True)
class CoverageCurve:
    """What labelling where confidence >= threshold gives, for each distinct confidence, highest first.

    coverage: the share of samples labelled; accuracy: the share of those that is right. All float64 (m,).
    """

    threshold: Float64Array
    coverage: Float64Array
    accuracy: Float64Array


@dataclass(frozen=True)
class Interval:
    """An estimate, and the ends of its confidence interval."""

    estimate: float
    low: float
    high: float


def coverage_accuracy_curve(confidence: npt.NDArray[Any], correct: npt.NDArray[np.bool_]) -> CoverageCurve:
    """Return what each threshold on confidence (n,) would cover, and how much of it would be correct (n,).

    The curve of a policy with a threshold for each class is that of confidence over the threshold of its class.
    """
    if confidence.ndim != 1 or confidence.shape != correct.shape:
        raise ValueError(f"confidence and correct must have one shape (n,), got {confidence.shape} and {correct.shape}")
    thresholds, group, counts = np.unique(-confidence.astype(np.float64), return_inverse=True, return_counts=True)
    covered = np.cumsum(counts)
    right = np.cumsum(np.bincount(group, weights=correct, minlength=len(thresholds)))
    return CoverageCurve(-thresholds, covered / max(len(confidence), 1), right / covered)


def audit_sample(
    keys: npt.NDArray[Any],
    n_checks: int,
    strata: Int64Array | None = None,
    seed: int = 0,
    sizes: Int64Array | None = None,
) -> Int64Array:
    """Return the rows, int64 ascending, of n_checks samples to check by hand, drawn at random by their keys (n,).

    keys: see seeded_order; the same samples come back in any order of the pool. strata (n,), from 0, the predicted
    class, say: each stratum gets one check, the rest go by size (largest remainder), -1 is left out. Give a pool of
    pseudo-labels without those that abstained. sizes: of the strata, where the keys are only those of each that come
    first in the order of the seed, n_checks at the least where there are so many.
    """
    order = seeded_order(keys, seed)
    groups = np.zeros(len(keys), dtype=np.int64) if strata is None else strata
    if groups.shape != order.shape:
        raise ValueError(f"strata must have one entry for each of the {len(order)} keys, got shape {groups.shape}")
    there = np.bincount(groups[groups >= 0])
    sizes = there if sizes is None else sizes
    fewest, most = max(int(np.count_nonzero(sizes)), 1), int(sizes.sum())
    if not fewest <= n_checks <= most:
        raise ValueError(f"n_checks must be from {fewest} (one a stratum) to {most}, got {n_checks}")
    wanted = _allocate(sizes, n_checks)
    ranked = np.lexsort((order, groups))[np.count_nonzero(groups < 0) :]
    place = np.arange(len(ranked)) - (np.cumsum(there) - there)[groups[ranked]]
    return np.sort(ranked[place < wanted[groups[ranked]]])


def _allocate(sizes: Int64Array, n_checks: int) -> Int64Array:
    """One check for each stratum, the others in proportion to the sizes that are left; never more than there are."""
    first = (sizes > 0).astype(np.int64)
    left = sizes - first
    exact = left * ((n_checks - first.sum()) / max(left.sum(), 1))
    whole = np.floor(exact + 1e-9).astype(np.int64)
    short = n_checks - int(first.sum() + whole.sum())
    # Largest remainder first, the lowest stratum of equals.
    whole[np.argsort(whole - exact, kind="stable")[:short]] += 1
    return np.asarray(first + whole)


def accuracy_interval(n_right: float, n_checked: float, level: float = 0.95) -> Interval:
    """Return the interval for the share of right labels: it holds at least `level` of the time.

    Clopper and Pearson 1934. That the pool is finite is not used: checking much of it gives a wider interval than need
    be.
    """
    if not 0 <= n_right <= n_checked or not n_checked > 0:
        raise ValueError(f"n_right must be from 0 to n_checked, which must be positive, got {n_right} and {n_checked}")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    from scipy.stats import beta  # half a second, which drawing a sample need not wait for

    tail = (1.0 - level) / 2.0
    low = beta.ppf(tail, n_right, n_checked - n_right + 1) if n_right > SMALLEST_COUNT else 0.0
    high = beta.ppf(1.0 - tail, n_right + 1, n_checked - n_right) if n_checked - n_right > SMALLEST_COUNT else 1.0
    return Interval(n_right / n_checked, float(low), float(high))


def stratified_interval(
    correct: npt.NDArray[np.bool_], strata: Int64Array, sizes: Int64Array, level: float = 0.95
) -> Interval:
    """Return the interval for the accuracy of the whole pool, from checks (m,) of known strata (m,) of known sizes.

    The estimate weighs each stratum's share of right ones by its size. The interval is Clopper and Pearson's at an
    effective number of checks (Korn and Graubard 1998): the smaller of Kish's 1 / sum(W^2 / m), which assumes one
    accuracy for all strata, and p (1 - p) / variance, which takes each stratum's own. In proportion to size it is the
    plain interval, which then holds (Hoeffding 1956: sums of unequal trials spread less); otherwise approximately.
    """
    if correct.shape != strata.shape or correct.ndim != 1:
        raise ValueError(f"correct and strata must have one shape (m,), got {correct.shape} and {strata.shape}")
    checked = np.bincount(strata, minlength=len(sizes))
    if len(checked) != len(sizes) or ((checked > 0) != (sizes > 0)).any() or not len(correct):
        raise ValueError(f"strata must check each stratum of sizes {sizes.tolist()}, got {checked.tolist()} checks")
    there = sizes > 0
    shares, counts = sizes[there] / sizes.sum(), checked[there]
    right = np.bincount(strata, weights=correct, minlength=len(sizes))[there] / counts
    estimate = min(float((shares * right).sum()), 1.0)
    spread = estimate * (1.0 - estimate)
    own = np.where(counts > 1, right * (1.0 - right) * counts / np.maximum(counts - 1, 1), spread)
    variance = float((shares**2 * own / counts).sum())
    effective = min(1.0 / float((shares**2 / counts).sum()), spread / variance if variance > 0 else np.inf)
    return accuracy_interval(estimate * effective, effective, level)
