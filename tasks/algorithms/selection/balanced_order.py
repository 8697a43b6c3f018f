"""The balanced order: as even over the hierarchy of clusters as their sizes allow."""

from __future__ import annotations

from dataclasses import dataclass

from windrow.tasks.algorithms.selection.order import Order, Ranked, Samples
from windrow.tasks.algorithms.selection.ranking import rank


@dataclass(frozen=True)
class BalancedOrder(Order):
    """Hierarchical balanced sampling, the closest to the centroid first."""

    def rank(self, samples: Samples, seed: int) -> Ranked:
        """Return the ranking; the clusters are its strata."""
        return Ranked(rank(samples.paths, samples.distance, samples.sample_ids, seed), samples.paths)
