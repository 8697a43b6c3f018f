"""How large each class is in a set of samples of which few have a label, and how sure that is: estimates, no counts.

The most probable class of each sample is a biased count: probabilities learned from labels that were given class by
class assume equal shares, and a selection by these very probabilities looks as even as they say. Here the shares of the
pool are found by expectation maximisation, those of a selected set are the mean of the probabilities that these shares
imply, and the interval allows for what the labels could have been.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Float64Array, Int64Array, unit_rows
from windrow.tasks.algorithms.labels.combining.calibration import apply_temperature, fit_temperature
from windrow.tasks.algorithms.labels.combining.label_shift import em_prior, label_shares, shift_prior
from windrow.tasks.algorithms.labels.cores.logistic_probe import fit_logistic_probe
from windrow.tasks.algorithms.labels.folds import assign_folds, check_pool, labelled_rows
from windrow.tasks.algorithms.selection.balance import normalised_entropy

N_FOLDS = 10
LEAST_LABELS = 4
"""Of each class: with fewer, the spread of what the probe says of them is a guess."""
MOST_SAMPLES = 20_000
"""Of a set, spread evenly over it: sampling error is then far below that of the labels."""
QUANTILE = 2.262
"""Of Student's t with N_FOLDS - 1 degrees of freedom, at 97.5 %."""
TOLERANCE = 1e-4
PENALTY = 0.1
"""Of the probes, times the penalty that weighs as one label: EM wants probabilities that are not timid."""


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassShares:
    """Shares float64 (n_classes,) of a set's samples, their 95 % intervals, and the normalised entropy of them all."""

    share: Float64Array
    low: Float64Array
    high: Float64Array
    balance: Estimate


def why_unknown(labels: Int64Array, n_classes: int) -> str | None:
    """Why shares cannot be estimated from labels (n,), -1 where there is none; None where they can."""
    counts = np.bincount(labels[labels >= 0], minlength=n_classes)
    if n_classes < 2:
        return "it takes given labels of two classes"
    if counts.min() < LEAST_LABELS and (labels < 0).any():
        few = int((counts < LEAST_LABELS).sum())
        told = f"{few} of {n_classes} have fewer, the rarest {counts.min()}"
        return f"it takes {LEAST_LABELS} given labels of each class: {told}"
    return None


def class_shares(
    embeddings: npt.NDArray[Any], labels: Int64Array, n_classes: int, sets: Mapping[str, BoolArray], seed: int = 0
) -> dict[str, ClassShares]:
    """Estimate the shares of the classes in sets (n,) of a pool of embeddings (n, d), `pool` among them.

    labels int64 (n,), -1 where there is none. They need not be distributed as the pool is, but those of a class are
    taken for a random draw of its samples, and every sample for one of some class. N_FOLDS linear probes, each without
    a tenth of the labels, brought to one temperature, give by EM (Saerens et al. 2002) each its shares of the pool, and
    by Bayes' rule the probability of each class for each sample; a set's shares are their mean over its samples, and
    over the probes. So a selection may depend on embeddings and on pseudo-labels in any way.

    The interval adds three variances: of drawing the labels anew, by the delete-a-group jackknife over the probes; of
    finding out from few labels of each class how the probabilities are off, shares^2 times the covariance of held-out
    predictions over the number of labels (the correction of prediction-powered inference, Angelopoulos et al. 2023,
    which is not applied, only allowed for); and of the classes themselves, p (1 - p). docs/evidence/balance.md tells
    how often it held the truth: nearly always, so it is wider than it need be. Raises ValueError where `why_unknown`
    says why, and for an empty pool.
    """
    check_pool(embeddings, labels)
    if (reason := why_unknown(labels, n_classes)) is not None:
        raise ValueError(f"labels: {reason}")
    used = {name: _some(np.flatnonzero(rows)) for name, rows in sets.items()}
    if not len(used["pool"]):
        raise ValueError("sets: the pool has no sample")
    if (labels >= 0).all():
        return {name: _counted(labels[rows], n_classes) for name, rows in used.items() if len(rows)}
    rows = reduce(np.union1d, [*used.values(), labelled_rows(labels, n_classes)])
    fits = _fits(embeddings[rows], labels[rows], n_classes, np.isin(rows, used["pool"]), seed)
    return {name: fits.shares(np.searchsorted(rows, members)) for name, members in used.items() if len(members)}


def _some(rows: Int64Array) -> Int64Array:
    n = len(rows)
    return rows if n <= MOST_SAMPLES else rows[np.arange(MOST_SAMPLES) * n // MOST_SAMPLES]


def _counted(labels: Int64Array, n_classes: int) -> ClassShares:
    shares = label_shares(labels, n_classes)
    entropy = normalised_entropy(shares)
    return ClassShares(shares, shares, shares, Estimate(entropy, entropy, entropy))


@dataclass(frozen=True)
class _Fits:
    """What the probes say: probabilities and free (n, n_classes) by each, held_out (m, n_classes) of the labelled rows
    by those without them. free: under shares that are not drawn to equal ones.

    labels (n,), -1 where there is none.
    """

    labels: Int64Array
    probabilities: tuple[Float32Array, ...]
    free: tuple[Float32Array, ...]
    held_out: Float32Array

    def shares(self, rows: Int64Array) -> ClassShares:
        """Of the set of these rows."""
        known = self.labels[rows]
        hidden = rows[known < 0]
        n, n_classes = len(rows), self.held_out.shape[1]
        given = np.bincount(known[known >= 0], minlength=n_classes).astype(np.float64)
        by_probe, free = (
            np.array([given + each[hidden].sum(axis=0, dtype=np.float64) for each in them]) / n
            for them in (self.probabilities, self.free)
        )
        mean = by_probe.mean(axis=0)
        drawn = _jackknife(by_probe)
        moved = mean - free.mean(axis=0)
        unseen = self._confusion((mean * n - given) / n) + self._realised(hidden) / n**2 + np.outer(moved, moved)
        covariance = drawn + unseen
        half = QUANTILE * np.sqrt(np.diag(covariance))
        low, high = np.maximum(mean - half, given / n), np.minimum(mean + half, 1.0)
        return ClassShares(mean, low, high, _entropy(by_probe, mean, covariance, unseen))

    def _confusion(self, hidden_shares: Float64Array) -> Float64Array:
        """Covariance (n_classes, n_classes) of what held-out predictions of each class say of its hidden samples."""
        known = self.labels[self.labels >= 0]
        counts = np.bincount(known, minlength=len(hidden_shares))
        away = self.held_out.astype(np.float64)
        for label in range(len(counts)):
            away[known == label] -= away[known == label].mean(axis=0)
        scaled = away * (hidden_shares / np.sqrt(counts * (counts - 1.0)))[known][:, None]
        return np.asarray(scaled.T @ scaled)

    def _realised(self, hidden: Int64Array) -> Float64Array:
        """Covariance of the classes' counts where each hidden sample is of a class with its probability."""
        p: Float64Array = np.asarray(np.mean([each[hidden] for each in self.probabilities], axis=0, dtype=np.float64))
        return np.asarray(np.diag(p.sum(axis=0)) - p.T @ p)


def _fits(embeddings: npt.NDArray[Any], labels: Int64Array, n_classes: int, pool: BoolArray, seed: int) -> _Fits:
    folds, known = assign_folds(labels, N_FOLDS, seed), labels >= 0
    penalty, units = PENALTY / int(known.sum()), unit_rows(embeddings)[0]
    raw = [
        fit_logistic_probe(
            embeddings[known], np.where(folds[known] == fold, -1, labels[known]), n_classes, penalty
        ).of_units(units)
        for fold in range(N_FOLDS)
    ]
    held_out = np.stack([raw[fold][row] for row, fold in enumerate(folds) if fold >= 0])
    temperature = fit_temperature(held_out, labels[known])
    even = [apply_temperature(each, temperature) for each in raw]
    equal = np.full(n_classes, 1.0 / n_classes)
    drawn, free = _priors(even, pool & ~known, equal, int(known.sum()))
    return _Fits(
        labels,
        tuple(shift_prior(each, equal, prior) for each, prior in zip(even, drawn, strict=True)),
        tuple(shift_prior(each, equal, prior) for each, prior in zip(even, free, strict=True)),
        shift_prior(apply_temperature(held_out, temperature), equal, _mean(drawn)),
    )


def _priors(
    even: Sequence[Float32Array], hidden: BoolArray, equal: Float64Array, n_labels: int
) -> tuple[list[Float64Array], list[Float64Array]]:
    """By each probe, the shares of the hidden rows: drawn to equal ones as by one label of each class, and freely."""
    if not hidden.any():
        return [equal] * len(even), [equal] * len(even)
    pseudo_count = float(hidden.sum()) / n_labels
    drawn = [em_prior(each[hidden], equal, pseudo_count, TOLERANCE) for each in even]
    return drawn, [em_prior(each[hidden], equal, tolerance=TOLERANCE) for each in even]


def _mean(priors: Sequence[Float64Array]) -> Float64Array:
    mean = np.mean(priors, axis=0)
    return np.asarray(mean / mean.sum())


def _jackknife(by_probe: Float64Array) -> Float64Array:
    """Covariance of an estimate, from those (n_folds, ...) that each lack a group (Shao and Tu 1995, section 5.2)."""
    away = by_probe - by_probe.mean(axis=0)
    return np.asarray((len(away) - 1) / len(away) * away.T @ away)


def _entropy(by_probe: Float64Array, mean: Float64Array, covariance: Float64Array, unseen: Float64Array) -> Estimate:
    """Normalised entropy by the delta method, and by the jackknife itself where that varies more.

    Where classes are nearly even the slope is 0 and what is left of the error is of second order, half the variances
    over the shares: it is added to the half-width.
    """
    value, floor = normalised_entropy(mean), 1e-4
    of_probes = np.array([[normalised_entropy(each)] for each in by_probe])
    slope = -np.log(np.maximum(mean, floor)) / np.log(len(mean))
    slope -= slope.mean()
    variance = max(float(slope @ unseen @ slope), 0.0) + float(_jackknife(of_probes)[0, 0])
    second = float((np.diag(covariance) / np.maximum(mean, floor)).sum()) / (2 * np.log(len(mean)))
    half = QUANTILE * np.sqrt(variance) + second
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0))
