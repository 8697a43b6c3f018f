"""Everything labelled, however unsure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Known, Predictions


@dataclass(frozen=True)
class Everything(Settings):
    """Labels everything: the most probable class, with weight 1."""

    needs: ClassVar[tuple[Known, ...]] = ()

    def decide(self, said: Predictions) -> Decision:
        """Return all labels."""
        return said.given(np.ones(len(said.label), np.bool_))
