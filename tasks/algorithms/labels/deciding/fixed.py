"""One least confidence for all classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.labels.deciding.policy import Decision, Policy, Predictions, Share


@dataclass(frozen=True)
class Fixed(Policy):
    """`threshold`: the least confidence of a label; below it, none is given."""

    threshold: Share = 0.8

    def decide(self, said: Predictions) -> Decision:
        """Return the labels of this confidence or more."""
        return said.from_threshold(np.full(said.probabilities.shape[1], self.threshold))
