"""A fixed number: of labels to give, or of samples to leave to people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from windrow.tasks.algorithms.arrays import BoolArray
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Policy, Predictions
from windrow.tasks.algorithms.selection.seeded_order import seeded_order


@dataclass(frozen=True)
class Budget(Policy):
    """`n`: of how many samples without a given label. `n_of`: whether so many get one, or get none and go to people.

    The surest are labelled. What seems to be of no class is the first to go to people, and gets no label even where
    there are more than n of it. Of equally sure samples the first by a seeded order.
    """

    n: Annotated[int, Ge(0)] = 1000
    n_of: Literal["labelled", "abstained"] = "labelled"
    needs = ("keys",)

    def decide(self, said: Predictions) -> Decision:
        """Return the labels of as many as asked for, or of all that there are."""
        refused = said.evidence.refused
        out = np.zeros(len(said.label), np.bool_) if refused is None else refused
        return said.given(self._surest(said, out))

    def _surest(self, said: Predictions, refused: BoolArray) -> BoolArray:
        open_rows = np.flatnonzero(said.evidence.labels < 0)
        order = np.lexsort(
            (
                seeded_order(said.evidence.known("keys")[open_rows], 0),
                -said.confidence[open_rows].astype(np.float64),
                refused[open_rows],
            )
        )
        n = self.n if self.n_of == "labelled" else len(open_rows) - self.n
        sure = np.zeros(len(said.label), np.bool_)
        sure[open_rows[order[: max(n, 0)]]] = True
        return sure & ~refused
