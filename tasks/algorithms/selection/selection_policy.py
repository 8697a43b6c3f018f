"""What a selection policy is, what it ranks, and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.arrays import Float32Array, Int32Array, Int64Array
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

Need = Literal["embeddings", "similarity", "probabilities", "targets"]

LACKING: dict[Need, str] = {
    "embeddings": "embeddings, and there are none",
    "similarity": "the neighbours of the samples, and there are none",
    "probabilities": "labels of at least two classes, and there are none",
    "targets": "samples that the set is to be like, and there are none",
}


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

    def known(self, need: Need, policy: str) -> Any:
        """Return what a policy cannot do without. Raises ValueError where it is None."""
        found = getattr(self, need)
        if found is None:
            raise ValueError(f"selection.policy {policy} wants {LACKING[need]}")
        return found

    def at(self, rows: Int64Array) -> Candidates:
        """Some samples, in the order of rows (m,)."""
        said = self.probabilities
        return replace(
            self,
            sample_ids=self.sample_ids[rows],
            paths=self.paths[rows],
            distance=self.distance[rows],
            embeddings=None if self.embeddings is None else self.embeddings[rows],
            similarity=None if self.similarity is None else self.similarity[rows],
            probabilities=said and SparseProbabilities(said.classes[rows], said.probabilities[rows], said.n_classes),
            columns={name: values[rows] for name, values in self.columns.items()},
        )


@dataclass(frozen=True)
class Ranked:
    """A ranking.

    place: int64 (n,), the rank of each sample, from 1; strata: int32 (n, n_levels), the groups within which all have
    the same chance, finest first (`inclusion_weights`).
    """

    place: Int64Array
    strata: Int32Array


def in_order_of_ids(candidates: Candidates, ranked: Callable[[Candidates], Ranked]) -> Ranked:
    """Rank the samples in the order of their ids, in whatever order they come: for sums, and the first of equals."""
    order = np.argsort(candidates.sample_ids, kind="stable")
    if (order[1:] > order[:-1]).all():
        return ranked(candidates)
    found, back = ranked(candidates.at(order)), np.argsort(order)
    return Ranked(found.place[back], found.strata[back])


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
