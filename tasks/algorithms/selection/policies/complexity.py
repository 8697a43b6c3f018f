"""More from complex clusters: those that are wide, and far from others.

Cost at a million samples of 128 dimensions: 4.7 s of a core, twice `balanced`: one pass over the embeddings, and
6.4 GFLOP for the distances of 5,000 clusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, MinLen

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int32Array
from windrow.tasks.algorithms.selection.complexity_weights import cluster_complexity
from windrow.tasks.algorithms.selection.grid_units import grid_units
from windrow.tasks.algorithms.selection.leaf_order import leaf_keys, order_expressions, order_needs
from windrow.tasks.algorithms.selection.ranking import rank
from windrow.tasks.algorithms.selection.selection_policy import (
    Candidates,
    Need,
    Ranked,
    SelectionPolicy,
    in_order_of_ids,
)
from windrow.tasks.algorithms.selection.tree_paths import numbered

MOST_CLUSTERS = 5000  # whose centroids are compared with each other; the paper has 500


@dataclass(frozen=True)
class Complexity(SelectionPolicy):
    """Shares of the clusters by how complex they are: their distance to others times their width.

    Density-Based Pruning: Abbas et al. 2024, arXiv 2401.04578. A cluster gets a share of exp(complexity / temperature)
    while it lasts; the paper fits shares to sizes by least squares, and takes the farthest of a cluster first. The
    clusters are those of the finest level that has at most 5,000; below it, shares are equal.

    `temperature`: small ones give complex clusters all, large ones give all the same. `n_near`: nearest other
    clusters that the distance is the mean of. `order`: in a leaf, as of `balanced`.
    """

    temperature: Annotated[float, Gt(0)] = 0.1
    n_near: Annotated[int, Ge(1)] = 20
    order: Annotated[str, MinLen(1)] = "closest"

    @property
    def needs(self) -> tuple[Need, ...]:
        return tuple(sorted({"embeddings", *order_needs(self.order)}))

    @property
    def expressions(self) -> tuple[str, ...]:
        return order_expressions(self.order)

    def rank(self, candidates: Candidates, seed: int) -> Ranked:
        """Return the ranking; the clusters are its strata. 2 n_clusters^2 dim flops, and one pass over the samples."""
        return in_order_of_ids(candidates, lambda them: self._ranked(them, seed))

    def _ranked(self, candidates: Candidates, seed: int) -> Ranked:
        paths = candidates.paths
        keys = leaf_keys(self.order, candidates, seed, "complexity")
        weights = self._weights(grid_units(candidates.known("embeddings", "complexity")), paths)
        return Ranked(rank(paths, keys, candidates.sample_ids, seed, weights=weights), paths)

    def _weights(self, units: Float32Array, paths: Int32Array) -> Float64Array:
        """What the finest cluster of each sample weighs: an equal share of what the one that is measured does."""
        levels = [numbered(level) for level in paths.T]
        finest = levels[0]
        measured = next((level for level in levels if level.max(initial=-1) < MOST_CLUSTERS), levels[-1])
        complexity = cluster_complexity(units, measured, self.n_near)
        weight = np.exp((complexity - complexity.max(initial=0)) / self.temperature)
        above = np.zeros(finest.max(initial=-1) + 1, np.int64)
        above[finest] = measured
        n_finest = np.bincount(above, minlength=len(weight))
        return np.asarray((weight / np.maximum(n_finest, 1))[measured])
