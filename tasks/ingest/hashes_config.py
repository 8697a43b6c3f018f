"""The settings of hash groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.neighbors.hash_neighbors import MAX_DISTANCE


@dataclass(frozen=True)
class HashesConfig(Settings):
    """Samples that look alike before any model has seen them.

    `max_distance`: bits, of 64, in which the perceptual hashes of two samples may differ for them to be near.
    6 finds most copies (a new size, a new compression) and hardly anything else; 10 finds small crops too, and pictures
    of a few plain shapes begin to be near each other.
    """

    max_distance: Annotated[int, Ge(0), Le(MAX_DISTANCE)] = 6
