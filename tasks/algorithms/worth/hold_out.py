"""Which labelled samples are kept apart, so that a set can be judged on what had no part in making it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import BoolArray, Int64Array
from windrow.tasks.algorithms.selection.seeded_order import seeded_order

LEAST_OF_A_CLASS = 5
"""Classes with fewer labels keep them all: a class that lost its last label would be lost to everybody."""


def held_out_groups(
    labels: Int64Array, groups: Int64Array, keys: npt.NDArray[Any], share: float, most: int, seed: int
) -> BoolArray:
    """Whether each sample's group is held out, bool (n,): about this share of the labelled, `most` or a little more.

    labels: int64 (n,), the class, -1 where there is none; groups: int64 (n,), numbers of what must stay together; keys:
    int64 or uint64 (number of groups,), what stays with a group (`seeded_order`). Whole groups go, unlabelled members
    too. A group is in by its key and the share alone, so it stays in as the pool grows; where `most` bounds the share,
    the held out of a larger pool are some of those of a smaller one, and new ones.
    """
    labelled = labels >= 0
    n_labelled = int(labelled.sum())
    if not n_labelled or not share:
        return np.zeros(len(labels), np.bool_)
    drawn = seeded_order(keys, seed) < np.uint64(min(share, most / n_labelled) * 2.0**63) * np.uint64(2)
    rare = np.zeros(len(keys), np.bool_)
    counts = np.bincount(labels[labelled])
    rare[groups[labelled][counts[labels[labelled]] < LEAST_OF_A_CLASS]] = True
    judges = np.zeros(len(keys), np.bool_)
    judges[groups[labelled]] = True
    found: BoolArray = (drawn & judges & ~rare)[groups]
    return found


def choosing_half(truth: Int64Array, groups: Int64Array, keys: npt.NDArray[Any], seed: int) -> BoolArray:
    """Which of the evaluated samples one may choose by, bool (m,); what is chosen is judged by the others.

    truth: int64 (m,), classes; groups: int64 (m,), which stay together; keys: as of `held_out_groups`, but (m,), of the
    samples. Every other group, by class and within it in a random order, so both halves have of each class that has
    two groups.
    """
    order = seeded_order(keys, seed)
    first = np.lexsort((order, groups))
    first = first[np.r_[True, groups[first][1:] != groups[first][:-1]]] if len(first) else first
    in_turn = first[np.lexsort((order[first], truth[first]))]
    found: BoolArray = np.isin(groups, groups[in_turn[::2]])
    return found
