"""The clusters that a target's samples fall into, whole and first.

Cost at a million samples of 128 dimensions and 1,000 targets: 4.2 s of a core, 1.7 times `balanced`: one pass over the
embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from annotated_types import Ge

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int32Array, Int64Array
from windrow.tasks.algorithms.clustering.nearest import assign
from windrow.tasks.algorithms.selection.grid_units import grid_units, group_sums
from windrow.tasks.algorithms.selection.ranking import rank, rank_by
from windrow.tasks.algorithms.selection.selection_policy import (
    Candidates,
    Need,
    Ranked,
    SelectionPolicy,
    in_order_of_ids,
)
from windrow.tasks.algorithms.selection.tree_paths import numbered


@dataclass(frozen=True)
class Target(SelectionPolicy):
    """Whole clusters, by how many target samples are nearest to them.

    DP4TL, its feature mapping: Zhang et al. 2023, arXiv 2310.08782.

    A cluster counts the target samples whose nearest centroid is its own, between directions. Clusters come whole, the
    highest count first; of equal counts, those without any too, the one nearer to its nearest target. Within a cluster
    the ranking is balanced over the levels below.

    `level`: of the clusters, 1 the finest; null takes the coarsest, as a count says little where targets are fewer
    than clusters.
    """

    name: ClassVar[str] = "target"

    level: Annotated[int, Ge(1)] | None = None

    @property
    def needs(self) -> tuple[Need, ...]:
        return ("embeddings", "targets")

    def rank(self, candidates: Candidates, seed: int) -> Ranked:
        """Return the ranking; the clusters are its strata. (n + m n_clusters) dim flops."""
        candidates.known("targets", self.name)
        return in_order_of_ids(candidates, lambda them: self._ranked(them, seed))

    def _ranked(self, candidates: Candidates, seed: int) -> Ranked:
        units = grid_units(candidates.known("embeddings", self.name))
        clusters = clusters_of_level(candidates.paths, self.level)
        order = self.clusters_in_order(units, clusters, candidates.known("targets", self.name))
        return Ranked(whole_clusters_first(candidates, clusters, order, seed), candidates.paths)

    def clusters_in_order(self, units: Float32Array, clusters: Int64Array, targets: npt.NDArray[Any]) -> Int64Array:
        """The clusters (n_clusters,), first first, of unit rows (n, dim) in clusters (n,), for targets (m, dim)."""
        count, similarity = target_counts(units, clusters, targets)
        return np.lexsort((-similarity, -count))


def clusters_of_level(paths: Int32Array, level: int | None) -> Int64Array:
    """The clusters (n,) of a level, 1 the finest, the coarsest by default, numbered from 0 with none left out."""
    return numbered(paths[:, min(level or paths.shape[1], paths.shape[1]) - 1])


def whole_clusters_first(candidates: Candidates, clusters: Int64Array, order: Int64Array, seed: int) -> Int64Array:
    """The rank of each sample, int64 (n,), where clusters come whole, in this order, each balanced within."""
    turn = np.empty(len(order), np.int64)
    turn[order] = np.arange(len(order))
    within = rank(candidates.paths, candidates.distance, candidates.sample_ids, seed)
    return rank_by(turn[clusters] * (len(within) + 1) + within, candidates.sample_ids)


def target_counts(
    units: Float32Array, clusters: Int64Array, targets: npt.NDArray[Any]
) -> tuple[Int64Array, Float64Array]:
    """Targets whose nearest centroid is that of each cluster, and its similarity to its nearest target, (n_clusters,).

    A centroid is the direction of the mean of a cluster's unit rows. units: (n, dim); clusters: (n,), 0 to n_clusters -
    1; targets: (m, dim).
    """
    n_clusters, wanted = int(clusters.max(initial=-1)) + 1, grid_units(targets)
    if n_clusters == 0:
        return np.empty(0, np.int64), np.empty(0)
    centroids = grid_units(group_sums(units, clusters, n_clusters))
    nearest, _ = assign(wanted, centroids)
    nearest_target, _ = assign(centroids, wanted)
    similarity = np.einsum("ij,ij->i", centroids, wanted[nearest_target], dtype=np.float64)
    return np.bincount(nearest, minlength=n_clusters), similarity
