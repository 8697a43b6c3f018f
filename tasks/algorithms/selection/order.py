"""What an order is, what it ranks, and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.arrays import Float32Array, Int32Array, Int64Array


@dataclass(frozen=True)
class Samples:
    """The samples to rank.

    paths: int32 (n, n_levels), clusters, finest first; distance: float32 (n,), to the centroid of the finest;
    sample_ids: (n,), unique and sortable.
    """

    paths: Int32Array
    distance: Float32Array
    sample_ids: npt.NDArray[Any]


@dataclass(frozen=True)
class Ranked:
    """A ranking.

    place: int64 (n,), the rank of each sample, from 1; strata: int32 (n, n_levels), the clusters within which all have
    the same chance (`inclusion_weights`).
    """

    place: Int64Array
    strata: Int32Array


@dataclass(frozen=True)
class Order(Settings, ABC):
    """The order in which samples are selected: its fields are its settings."""

    @abstractmethod
    def rank(self, samples: Samples, seed: int) -> Ranked:
        """Return the rank of each sample; every prefix of the ranking is a selection."""
