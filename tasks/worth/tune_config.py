"""The settings of tuning: which recipes are tried, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen

from windrow.schemas.settings import Settings, check_different
from windrow.tasks.selection.selection_config import PolicyName


@dataclass(frozen=True)
class TuneConfig(Settings):
    """Which recipes `windrow tune` tries. See docs/how-to/tune.md.

    Every policy, with each of the settings that are named here for it, goes with each of the near-duplicate thresholds,
    each of the levels and each of the backbones. `policies`: as `selection.policy` names them. `sharpness`: of
    class-balanced; `class_balance`: of its clusters. `balance`, `order`: of balanced. Policies that are not named here
    have the settings that `selection.settings` gives them. `near_duplicates`: similarity thresholds, 'auto', or 'keep'
    to drop none. `levels`: numbers of levels of clusters, 1 to 5; empty for those of `clustering`. `backbones`: names
    as of `features.name`, tried beside it; what they have not embedded yet, they embed.

    `first_seeds`: sets of each recipe that are judged before the worse half leaves; then twice as many, and so on.
    `most_seeds`: at most.
    """

    policies: Annotated[tuple[PolicyName, ...], MinLen(1)] = (
        "class-balanced",
        "balanced",
        "inverse-density",
        "diverse",
        "random",
    )
    sharpness: Annotated[tuple[Annotated[float, Ge(0)], ...], MinLen(1)] = (0.0, 2.0, 8.0)
    class_balance: Annotated[tuple[Annotated[float, Ge(0), Le(1)], ...], MinLen(1)] = (0.5, 1.0)
    balance: Annotated[tuple[Annotated[float, Ge(0), Le(1)], ...], MinLen(1)] = (0.25, 0.5, 1.0)
    order: Annotated[tuple[str, ...], MinLen(1)] = ("random", "closest")
    near_duplicates: Annotated[tuple[Annotated[float, Gt(0), Le(1)] | Literal["auto", "keep"], ...], MinLen(1)] = (
        "auto",
        "keep",
        0.9,
    )
    levels: tuple[Annotated[int, Ge(1), Le(5)], ...] = ()
    backbones: tuple[Annotated[str, MinLen(1)], ...] = ()
    first_seeds: Annotated[int, Ge(1)] = 2
    most_seeds: Annotated[int, Ge(1)] = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("policies", "near_duplicates", "levels", "backbones"):
            check_different(name, getattr(self, name))
        if self.first_seeds > self.most_seeds:
            raise ValueError(f"first_seeds: wants at most most_seeds, {self.most_seeds}, got {self.first_seeds}")
