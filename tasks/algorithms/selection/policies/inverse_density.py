"""Where the pool is thin, samples are more likely to come first.

Cost at a million samples and 20 neighbours: 0.5 s of a core, 80 MB read and a sort.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from windrow.tasks.algorithms.selection.leaf_order import N_NEIGHBORS, POWER, density_keys, uniform_numbers
from windrow.tasks.algorithms.selection.ranking import rank_by
from windrow.tasks.algorithms.selection.selection_policy import Candidates, Need, Ranked, SelectionPolicy


@dataclass(frozen=True)
class InverseDensity(SelectionPolicy):
    """Random, a sample's weight being a power of the distance to its k-th neighbour: the k-NN estimate of 1 / density.

    Drawn without replacement by the keys of Efraimidis and Spirakis (2006, Weighted random sampling with a reservoir).

    `k`: which neighbour, no more than the graph has. `power`: of the distance, 0 for a uniform choice; the dimension in
    which the samples lie would make the draw uniform over the space that they fill.
    """

    k: Annotated[int, Ge(1)] = N_NEIGHBORS
    power: Annotated[float, Ge(0)] = POWER

    @property
    def needs(self) -> tuple[Need, ...]:
        return ("similarity",)

    def rank(self, candidates: Candidates, seed: int) -> Ranked:
        """Return the ranking; the clusters, of about one density each, are its strata."""
        similarity = candidates.known("similarity", "inverse-density")
        keys = density_keys(similarity, uniform_numbers(candidates, seed), self.k, self.power)
        return Ranked(rank_by(keys, candidates.sample_ids), candidates.paths)
