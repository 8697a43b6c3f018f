"""What is known of the classes of samples that may be of several: present, absent, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Int64Array

Int8Array = npt.NDArray[np.int8]
UNKNOWN, ABSENT, PRESENT = -1, 0, 1


@dataclass(frozen=True)
class KnownStates:
    """States of n samples and n_classes classes, as sparse as they were given.

    rows, classes: int64 (m,), which sample and class each entry is of, each pair once; states: int8 (m,), PRESENT,
    ABSENT or UNKNOWN. A pair without an entry is ABSENT where `looked_for`, bool (n_vocabularies, n_classes), says so
    of the sample's `vocabulary`, int64 (n,), -1 for a sample that has none; else it is UNKNOWN.
    """

    rows: Int64Array
    classes: Int64Array
    states: Int8Array
    vocabulary: Int64Array
    looked_for: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        n, n_classes = self.n, self.n_classes
        for name, values, end in (("rows", self.rows, n), ("classes", self.classes, n_classes)):
            if len(values) != len(self.states) or (len(values) and not 0 <= values.min() <= values.max() < end):
                raise ValueError(f"{name} must be {len(self.states)} numbers from 0 to {end - 1}, got {values}")
        if n and not -1 <= self.vocabulary.min() <= self.vocabulary.max() < len(self.looked_for):
            raise ValueError(f"vocabulary must be from -1 to {len(self.looked_for) - 1}, got {self.vocabulary.max()}")
        pairs = self.rows * n_classes + self.classes
        if len(np.unique(pairs)) < len(pairs):
            raise ValueError("rows and classes must name each pair once")

    @property
    def n(self) -> int:
        """How many samples there are."""
        return len(self.vocabulary)

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return int(self.looked_for.shape[1])

    @cached_property
    def _by_class(self) -> tuple[Int64Array, Int64Array]:
        order = np.argsort(self.classes, kind="stable")
        return order, np.searchsorted(self.classes[order], np.arange(self.n_classes + 1))

    def of_class(self, number: int) -> Int8Array:
        """Return the state (n,) of a class for every sample."""
        column = np.append(self.looked_for[:, number], False)  # the last: of samples without a vocabulary
        found = np.where(column[self.vocabulary], np.int8(ABSENT), np.int8(UNKNOWN))
        order, starts = self._by_class
        entries = order[starts[number] : starts[number + 1]]
        found[self.rows[entries]] = self.states[entries]
        return found

    def entries_of(self, number: int) -> Int64Array:
        """Return, for every sample (n,), the number of the entry that says a class of it; -1 for none."""
        found = np.full(self.n, -1, np.int64)
        order, starts = self._by_class
        entries = order[starts[number] : starts[number + 1]]
        found[self.rows[entries]] = entries
        return found

    def of_classes(self, numbers: Sequence[int] | Int64Array) -> Int8Array:
        """Return the states (n, len(numbers)) of some classes; n bytes a class."""
        found: Int8Array = np.empty((self.n, len(numbers)), np.int8)
        for place, number in enumerate(numbers):
            found[:, place] = self.of_class(int(number))
        return found

    def take(self, rows: Int64Array) -> KnownStates:
        """Return the states of some samples, in this order, each once."""
        place = np.full(self.n, -1, np.int64)
        place[rows] = np.arange(len(rows))
        kept = place[self.rows] >= 0
        entries = place[self.rows[kept]], self.classes[kept], self.states[kept]
        return KnownStates(*entries, self.vocabulary[rows], self.looked_for)

    def is_listed(self) -> npt.NDArray[np.bool_]:
        """Return the samples (n,) of which any state is known."""
        found = np.append(self.looked_for.any(axis=1), False)[self.vocabulary]
        found[self.rows[self.states != UNKNOWN]] = True
        return np.asarray(found)

    def n_known(self) -> tuple[Int64Array, Int64Array]:
        """Return how many samples each class (n_classes,) is present and absent of."""
        states = [self.of_class(number) for number in range(self.n_classes)]
        counts = [[int((each == state).sum()) for each in states] for state in (PRESENT, ABSENT)]
        return np.array(counts[0], np.int64), np.array(counts[1], np.int64)

    def rarest_present(self) -> Int64Array:
        """Return, for each sample (n,), the class that the fewest samples have of those that it has; -1 for none."""
        there = self.states == PRESENT
        rows, classes = self.rows[there], self.classes[there]
        counts = np.bincount(classes, minlength=self.n_classes)
        found = np.full(self.n, -1, np.int64)
        commonest_first = np.lexsort((-classes, -counts[classes]))
        found[rows[commonest_first]] = classes[commonest_first]
        return found

    @classmethod
    def of_matrix(cls, states: npt.NDArray[Any]) -> KnownStates:
        """Return the states of a matrix (n, n_classes) of 1, 0 and -1, which is small."""
        rows, classes = np.nonzero(states != UNKNOWN)
        n, n_classes = states.shape
        found = states[rows, classes].astype(np.int8)
        return cls(rows, classes, found, np.full(n, -1), np.zeros((0, n_classes), np.bool_))
