"""One least confidence for all classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Known, Predictions, Share


@dataclass(frozen=True)
class Fixed(Settings):
    """`threshold`: the least confidence of a label; below it, none is given."""

    threshold: Share = 0.8
    needs: ClassVar[tuple[Known, ...]] = ()

    def decide(self, said: Predictions) -> Decision:
        """Return the labels of this confidence or more."""
        return said.from_threshold(np.full(said.probabilities.shape[1], self.threshold))
