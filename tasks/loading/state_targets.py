"""Targets of samples that may be of several classes, and the mask of what is known of them, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.tasks.storage.files.whole_columns import whole

TARGETS, SOFT_TARGETS, KNOWN = "targets", "soft_targets", "known"
TENSORS = (TARGETS, SOFT_TARGETS, KNOWN)


@dataclass(frozen=True)
class StateTargets:
    """The states of samples: `present` and `absent` are large lists of classes, with a probability of each."""

    classes: pa.Array
    present: pa.Array
    absent: pa.Array
    present_probabilities: pa.Array
    absent_probabilities: pa.Array

    @classmethod
    def of(cls, table: pa.Table, classes: Sequence[str]) -> StateTargets:
        """Those of the samples of a version; the columns of the targets are its classes."""
        names = ("present", "absent", "present_probabilities", "absent_probabilities")
        return cls(pa.array(classes, pa.string()), *(whole(table[name]) for name in names))

    def is_known(self) -> npt.NDArray[np.bool_]:
        """Return which samples (n,) have any known state."""
        lengths = (pc.fill_null(pc.list_value_length(names), 0) for names in (self.present, self.absent))
        return np.asarray(sum(np.asarray(each) for each in lengths) > 0)

    def read(self, places: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
        """Return, of the samples at these places, arrays (n, n_classes) by name.

        known: bool, what a loss may look at; targets: float32, 1 where present; soft_targets: float32, how probable
        that is. Where nothing is known both are 0, and `known` must mask them.
        """
        shape = (len(places), len(self.classes))
        found = {TARGETS: np.zeros(shape, np.float32), SOFT_TARGETS: np.zeros(shape, np.float32)}
        known = np.zeros(shape, np.bool_)
        taken = pa.array(places)
        for state, names, shares in (
            (1, self.present, self.present_probabilities),
            (0, self.absent, self.absent_probabilities),
        ):
            listed = names.take(taken)
            lengths = np.asarray(pc.fill_null(pc.list_value_length(listed), 0))
            rows = np.repeat(np.arange(len(places)), lengths)
            columns = np.asarray(pc.index_in(pc.list_flatten(listed), self.classes), np.int64)
            known[rows, columns] = True
            found[TARGETS][rows, columns] = state
            found[SOFT_TARGETS][rows, columns] = np.asarray(pc.list_flatten(shares.take(taken)), np.float32)
        return {**found, KNOWN: known}
