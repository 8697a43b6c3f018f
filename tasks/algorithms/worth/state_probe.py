"""Probes of states: for each class one of its own, which learns from the samples whose state of it is known."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.states.known_states import ABSENT, PRESENT, UNKNOWN, Int8Array, KnownStates

CLASSES_AT_ONCE = 64


def right_of_states(
    features: Float32Array,
    states: KnownStates,
    evaluated: Float32Array,
    asked: Int64Array,
    truth: Int64Array,
    l2: float,
) -> BoolArray:
    """Whether probes that learn from these samples, features float32 (n, d) in unit rows, are right of each evaluated
    state, bool (m,).

    evaluated: float32 (k, d); asked: int64 (m,), which of these each state is of; truth: int64 (m,), 2 c + 1 where
    class c is present in it, 2 c where it is absent. l2: the penalty of the logistic regressions, one a class.

    A state that is unknown teaches nothing; so there are no probes by nearest neighbours, of which some or all may know
    nothing of a class. The known samples that have a class weigh as much in all as those that have
    it not, so that the mean accuracy (see `qualities`) is what a probe is trained for; with weights
    that are all the same a set with more presences would win by where its probes draw the line. Of a class of which one
    state is known alone that is the answer, and absence where none is.
    """

    numbers, own = np.unique(truth // 2, return_inverse=True)
    right = np.zeros(len(truth), np.bool_)
    for first in range(0, len(numbers), CLASSES_AT_ONCE):
        block = numbers[first : first + CLASSES_AT_ONCE]
        present = _present(features, states.of_classes(block), evaluated, l2)
        mine = (own >= first) & (own < first + CLASSES_AT_ONCE)
        right[mine] = present[asked[mine], own[mine] - first] == (truth[mine] % 2 == 1)
    return right


def _present(features: Float32Array, known: Int8Array, evaluated: Float32Array, l2: float) -> BoolArray:
    """Which of some classes are said to be present in each evaluated sample, bool (k, c); known: int8 (n, c)."""
    from windrow.tasks.algorithms.labels.states.one_vs_rest import fit_one_vs_rest

    n_present, n_absent = (known == PRESENT).sum(axis=0), (known == ABSENT).sum(axis=0)
    both = (n_present > 0) & (n_absent > 0)
    found: BoolArray = np.repeat((n_present > n_absent)[None], len(evaluated), axis=0) & ~both
    rows = np.flatnonzero((known[:, both] != UNKNOWN).any(axis=1))
    if both.any():
        told, sizes = known[rows][:, both], (n_present[both], n_absent[both])
        weights = np.where(told == PRESENT, 0.5 / sizes[0], np.where(told == ABSENT, 0.5 / sizes[1], 0.0))
        of_rows = (weights * len(rows)).astype(np.float32)
        fitted = fit_one_vs_rest(features, rows, told == PRESENT, of_rows, l2 * len(rows))
        for block in row_blocks(len(evaluated)):
            found[block, both] = evaluated[block].astype(np.float64) @ fitted.weights + fitted.bias > 0
    return found
