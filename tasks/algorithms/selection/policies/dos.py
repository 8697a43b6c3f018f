"""Diverse outliers: the farthest from its neighbours of every cluster first.

Cost at a million samples and 20 neighbours: 2.5 s of a core, 80 MB read, and the sorts of `balanced`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from windrow.tasks.algorithms.selection.leaf_order import N_NEIGHBORS, typicality
from windrow.tasks.algorithms.selection.ranking import rank
from windrow.tasks.algorithms.selection.selection_policy import Candidates, Need, Ranked, SelectionPolicy


@dataclass(frozen=True)
class Dos(SelectionPolicy):
    """Equal shares of the clusters, the farthest outlier of each first.

    DOS: Jiang et al. 2024, arXiv 2306.02031.

    For samples to check by eye, or to train a detector on. An outlier is here what is least like its neighbours; the
    paper, which trains, takes the lowest probability of a class for outliers.

    `k`: neighbours, whose mean similarity is low for an outlier; no more than the graph has.
    """

    k: Annotated[int, Ge(1)] = N_NEIGHBORS

    @property
    def needs(self) -> tuple[Need, ...]:
        return ("similarity",)

    def rank(self, candidates: Candidates, seed: int) -> Ranked:
        """Return the ranking; the clusters are its strata."""
        keys = typicality(candidates.known("similarity", "dos"), self.k)
        return Ranked(rank(candidates.paths, keys, candidates.sample_ids, seed), candidates.paths)
