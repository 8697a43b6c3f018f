"""What a selection policy is, what it ranks, and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy.typing as npt

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.arrays import Float32Array, Int32Array, Int64Array
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

Need = Literal["embeddings", "similarity", "probabilities", "targets"]


@dataclass(frozen=True)
class Candidates:
    """The samples to rank. A policy finds what its `needs` name; the others may be None.

    sample_ids: (n,), unique and sortable; they break ties. paths: int32 (n, n_levels), clusters, finest first.
    distance: float32 (n,), to the centroid of the finest. embeddings: (n, dim), not normalised. similarity: float32
    (n, k), cosine similarity of each to its k nearest in the whole pool, nearest first, -1 where there was none left.
    probabilities: of the classes; None where there are no labels of two classes. columns: the values (n,) of each SQL
    expression that the policy asks for. targets: (m, dim), what the set is to be like.
    """

    sample_ids: npt.NDArray[Any]
    paths: Int32Array
    distance: Float32Array
    embeddings: npt.NDArray[Any] | None = None
    similarity: Float32Array | None = None
    probabilities: SparseProbabilities | None = None
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    targets: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.sample_ids)


@dataclass(frozen=True)
class Ranked:
    """A ranking.

    place: int64 (n,), the rank of each sample, from 1; strata: int32 (n, n_levels), the groups within which all have
    the same chance, finest first (`inclusion_weights`).
    """

    place: Int64Array
    strata: Int32Array


@dataclass(frozen=True)
class SelectionPolicy(Settings, ABC):
    """Ranks samples so that every prefix is the set of that size: its fields are its settings.

    The ranking depends on the samples, the settings and the seed; never on the order in which the samples come.
    """

    @property
    def needs(self) -> tuple[Need, ...]:
        return ()

    @property
    def expressions(self) -> tuple[str, ...]:
        """SQL expressions over `pool` whose values the policy finds in `columns`, by the expression itself."""
        return ()

    @abstractmethod
    def rank(self, candidates: Candidates, seed: int) -> Ranked:
        """Return the rank of each sample. Raises ValueError where the samples lack what it needs."""
