"""A label only where the makers say the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval

from windrow.tasks.algorithms.labels.deciding.policy import Decision, Policy, Predictions


@dataclass(frozen=True)
class Agreed(Policy):
    """`least_agreement`: the share of the combined makers whose most probable class must be the label: 1, all of them.

    A maker that finds all classes equally probable agrees with none.
    """

    least_agreement: Annotated[float, Interval(gt=0, le=1)] = 1.0
    needs = ("votes",)

    def decide(self, said: Predictions) -> Decision:
        """Return the labels that so many makers would give, however sure they are."""
        votes = said.evidence.known("votes")
        n_same = (votes == said.label[:, None]).sum(axis=1)
        # A whole number of makers: 2 of 3 are enough for 0.6667, though 2 / 3 is less.
        least = int(np.ceil(np.round(self.least_agreement * votes.shape[1], 3)))
        return said.given(n_same >= least)
