"""Balanced over the hierarchy of clusters, as even as their sizes allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from windrow.tasks.algorithms.selection.ranking import rank
from windrow.tasks.algorithms.selection.selection_policy import Candidates, Ranked, SelectionPolicy


@dataclass(frozen=True)
class Balanced(SelectionPolicy):
    """Hierarchical balanced sampling, the closest to the centroid first.

    `balance`: 1 gives sibling clusters equal shares, 0 shares in proportion to their sizes.
    """

    balance: Annotated[float, Ge(0), Le(1)] = 1.0

    def rank(self, candidates: Candidates, seed: int) -> Ranked:
        """Return the ranking; the clusters are its strata."""
        paths = candidates.paths
        place = rank(paths, candidates.distance, candidates.sample_ids, seed, balance=self.balance)
        return Ranked(place, paths)
