"""Pseudo-labels of samples that may be of several classes: each class by itself, present, absent or unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array
from windrow.tasks.algorithms.labels.folds import assign_folds
from windrow.tasks.algorithms.labels.states.calibrated_methods import Candidate, Method
from windrow.tasks.algorithms.labels.states.known_states import ABSENT, PRESENT, UNKNOWN, Int8Array, KnownStates
from windrow.tasks.algorithms.labels.states.one_vs_rest import OneVsRest, fit_one_vs_rest
from windrow.tasks.algorithms.labels.states.positive_only import presence_of_positives
from windrow.tasks.algorithms.labels.states.promised_thresholds import (
    PromisedThresholds,
    least_needed,
    promised_thresholds,
)
from windrow.tasks.algorithms.labels.states.state_rule import StateRule

CLASSES_AT_ONCE = 64
"""Classes that are learnt and predicted together: 256 bytes a sample."""


@dataclass(frozen=True)
class NamedClasses:
    """What the names of classes say without any given state: labels(numbers) float32 (n, len(numbers)), NaN where they
    say nothing. is_believed: whether a class of which too little is known for a promise gets states by them."""

    labels: Callable[[Int64Array], Float32Array]
    is_believed: bool = False


@dataclass(frozen=True)
class SpreadClass:
    """What is said of one class: probability float32 (n,), NaN where nothing can be learnt; state int8 (n,), the given
    one where there is one. known: int8 (n,), what was given. why: why it is never said to be present, or absent."""

    number: int
    known: Int8Array
    probability: Float32Array
    state: Int8Array
    method: Method
    thresholds: PromisedThresholds
    why: str | None


def spread_states(
    embeddings: npt.NDArray[Any], known: KnownStates, rule: StateRule, named: NamedClasses | None = None
) -> Iterator[SpreadClass]:
    """Yield what is said of each class of a pool (n, d), in order, by logistic regressions on known states alone.

    Of a class with both states known: one regression against the rest (`fit_one_vs_rest`), calibrated (`fit_platt`) and
    decided on (`promised_thresholds`) by what regressions that did not see a sample say of it. Of a class with presence
    alone: `presence_of_positives`, and a state only where the rule asks for it. Unknown is never taken for absent
    elsewhere. Memory: CLASSES_AT_ONCE columns of the pool.

    named: CDUL's labels, which are calibrated too. Where both states are known, that of the regression, the labels and
    both together is taken which comes closest to these states, and each is decided on with a third of the failure rate,
    so that the choice breaks no promise. Where one state is known, or none, the labels are taken as they are, and
    decide only if they are believed.
    """
    folds = _folds(known, rule)
    n_present, n_absent = known.n_known()
    both, one = (n_present >= 2) & (n_absent >= 2), (n_present >= 2) & (n_absent == 0)
    for first in range(0, known.n_classes, CLASSES_AT_ONCE):
        numbers = np.arange(first, min(first + CLASSES_AT_ONCE, known.n_classes))
        told, listed = numbers[both[numbers]], numbers[one[numbers]]
        learnt = _Learnt.of(embeddings, known, told, folds, rule) if len(told) else None
        of_listed = _presence(embeddings, known, listed, folds, rule) if len(listed) and named is None else None
        of_names = None if named is None else named.labels(numbers)
        for number in numbers.tolist():
            given = known.of_class(number)
            by_name = None if of_names is None else of_names[:, number - first]
            if learnt is not None and both[number]:
                yield learnt.spread(int(np.searchsorted(told, number)), number, given, rule, by_name)
            elif named is not None and by_name is not None:
                yield _believed(number, given, by_name, named.is_believed, rule)
            elif of_listed is not None and one[number]:
                yield _positive_only(number, given, of_listed[:, np.searchsorted(listed, number)], rule)
            else:
                why = f"{n_present[number]:,} present and {n_absent[number]:,} absent are known, and 2 are the least"
                nothing = np.full(known.n, np.nan, np.float32)
                never = PromisedThresholds(None, None)
                yield _decided(number, given, nothing, "none", never, why)


def _folds(known: KnownStates, rule: StateRule) -> Int64Array:
    """A fold (n,) of every sample of which anything is known, so that what is rare is in all of them; -1 of others."""
    return assign_folds(np.where(known.is_listed(), known.rarest_present() + 1, -1), rule.n_folds, rule.seed)


@dataclass(frozen=True)
class _Learnt:
    """What regressions say of some classes: of the pool (n, c), and of the samples `rows` (m,) of which something is
    known, by regressions that did not see them (m, c)."""

    pool: Float32Array
    rows: Int64Array
    apart: Float32Array

    @classmethod
    def of(
        cls, embeddings: npt.NDArray[Any], known: KnownStates, numbers: Int64Array, folds: Int64Array, rule: StateRule
    ) -> _Learnt:
        states = known.of_classes(numbers)
        rows = np.flatnonzero((states != UNKNOWN).any(axis=1))
        states, folds = states[rows], folds[rows]

        def fitted(seen: BoolArray) -> OneVsRest:
            targets, weights = states[seen] == PRESENT, (states[seen] != UNKNOWN).astype(np.float32)
            return fit_one_vs_rest(embeddings, rows[seen], targets, weights, rule.penalty)

        apart = np.empty(states.shape, np.float32)
        for fold in np.unique(folds):
            out = folds == fold
            apart[out] = fitted(~out).predict_proba(embeddings[rows[out]])
        return cls(fitted(np.ones(len(rows), np.bool_)).predict_proba(embeddings), rows, apart)

    def spread(
        self, place: int, number: int, given: Int8Array, rule: StateRule, by_name: Float32Array | None
    ) -> SpreadClass:
        """What is said of one of the classes; by_name (n,): what its name says, if anything."""
        known = given[self.rows] != UNKNOWN
        rows, apart = self.rows[known], self.apart[known, place]
        present = given[rows] == PRESENT
        candidates = [Candidate.of("one-vs-rest", self.pool[:, place], apart, present)]
        if by_name is not None and np.isfinite(by_name[rows]).all():
            candidates.append(Candidate.of("cdul", by_name, by_name[rows], present))
            candidates.append(candidates[0].and_other("one-vs-rest and cdul", candidates[1]))
        best = min(candidates, key=lambda candidate: candidate.cross_entropy)
        rate = rule.failure_rate / len(candidates)
        thresholds = promised_thresholds(best.apart, present, rule.promise, rate)
        why = _why(thresholds, int(present.sum()), rule.promise, rate)
        return _decided(number, given, best.pool, best.method, thresholds, why)


def _believed(
    number: int, given: Int8Array, probability: Float32Array, is_believed: bool, rule: StateRule
) -> SpreadClass:
    thresholds = PromisedThresholds(rule.promise, 1 - rule.promise) if is_believed else PromisedThresholds(None, None)
    why = None if is_believed else "too few states are known to hold the promise (labels.multi.cdul.states)"
    return _decided(number, given, probability, "cdul", thresholds, why)


def _presence(
    embeddings: npt.NDArray[Any], known: KnownStates, numbers: Int64Array, folds: Int64Array, rule: StateRule
) -> Float32Array:
    positive = known.of_classes(numbers) == PRESENT
    return presence_of_positives(embeddings, positive, known.is_listed(), folds, rule.penalty, rule.seed)


def _positive_only(number: int, given: Int8Array, probability: Float32Array, rule: StateRule) -> SpreadClass:
    asked = rule.positive_only == "elkan-noto"
    thresholds = PromisedThresholds(rule.promise, 1 - rule.promise) if asked else PromisedThresholds(None, None)
    why = None if asked else "no absence is known, so nothing can hold the promise (labels.multi.positive_only)"
    return _decided(number, given, probability, "positive-unlabelled", thresholds, why)


def _why(thresholds: PromisedThresholds, n_present: int, promise: float, failure_rate: float) -> str | None:
    missing = [name for name in ("present", "absent") if getattr(thresholds, name) is None]
    if not missing:
        return None
    needed = least_needed(promise, failure_rate)
    few = f": {n_present:,} present are known, and {needed} are the least" if n_present < needed else ""
    return f"never said to be {' or '.join(missing)}, as the promise of {promise:g} would not be kept{few}"


def _decided(
    number: int,
    given: Int8Array,
    probability: Float32Array,
    method: Method,
    thresholds: PromisedThresholds,
    why: str | None,
) -> SpreadClass:
    """The given states, and for the others what the thresholds say."""
    state = given.copy()
    if thresholds.present is not None:
        state[(given == UNKNOWN) & (probability >= np.float32(thresholds.present))] = PRESENT
    if thresholds.absent is not None:
        state[(given == UNKNOWN) & (probability <= np.float32(thresholds.absent))] = ABSENT
    sure = np.where(given == PRESENT, np.float32(1), np.where(given == ABSENT, np.float32(0), probability))
    return SpreadClass(number, given, sure.astype(np.float32), state, method, thresholds, why)
