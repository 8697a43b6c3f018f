"""What a night may publish without being asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from windrow.schemas.settings import Settings


@dataclass(frozen=True)
class GatesConfig(Settings):
    """What a night may publish without being asked; `windrow run` publishes anything.

    `most_replaced`: the largest share of the last version's samples that may be missing from the new one. 1 lets all
    pass.
    `keep_classes`: whether every class of the last version must have a sample in the new one.
    `most_unlike`: the largest share of a night's new samples that may lie far from all clusters of the last run (the
    column share_far of the table `drift`; of samples like those before it is 0.01). 1 lets all pass.
    """

    most_replaced: Annotated[float, Ge(0), Le(1)] = 0.5
    keep_classes: bool = True
    most_unlike: Annotated[float, Ge(0), Le(1)] = 1.0
