"""How states of classes are spread, as settings know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PositiveOnly = Literal["abstain", "elkan-noto"]


@dataclass(frozen=True)
class StateRule:
    """How states are spread: see `MultiLabelConfig`, whose fields these are, and `labels.n_folds`."""

    promise: float = 0.9
    failure_rate: float = 0.1
    positive_only: PositiveOnly = "abstain"
    penalty: float = 0.3
    n_folds: int = 5
    seed: int = 0
