"""What a store keeps of earlier nights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from windrow.schemas.settings import Settings


@dataclass(frozen=True)
class RetentionConfig(Settings):
    """What a night takes away when it is over, as `windrow gc` does.

    `runs`: the finished runs to keep of each curated set; outputs that none of them needs go, versions stay. null keeps
    all.
    """

    runs: Annotated[int, Ge(1)] | None = None
