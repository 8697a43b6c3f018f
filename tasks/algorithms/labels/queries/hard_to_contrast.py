"""What is hardest to tell from its neighbours, as much of every cluster: a first choice without any label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.queries.label_query import MOST_CLUSTERS, LabelQuery, Picks, clusters_of
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph


@dataclass(frozen=True)
class HardToContrast(LabelQuery):
    """The cold start of CSVAL (Chen et al. 2022, Making your first choice, arXiv 2210.02442): for no labels at all.

    As many of each k-means cluster, those first that contrastive learning finds hardest to tell from the others, which
    are the typical ones. The publication takes the mean confidence in a sample's own identity over the epochs of such
    training; here it is what the embeddings' density says of it: 1 / (1 + the sum of exp((s - 1) / temperature)) over
    the cosines s of its nearest, the softmax of instance discrimination (Wu et al. 2018, arXiv 1805.01978, equation 2)
    with all others left out. The score is that confidence, from 0 to 1. Labels count only for what is not asked again.

    `n_neighbors`: the nearest that count. `temperature`: of the softmax, as in MoCo v2. `most_clusters`: at most.
    """

    n_neighbors: Annotated[int, Ge(1)] = 20
    temperature: Annotated[float, Gt(0)] = 0.2
    most_clusters: Annotated[int, Ge(1)] = MOST_CLUSTERS

    def _pick(self, units: Float32Array, labels: Int64Array, n: int, seed: int) -> Picks:
        cluster = clusters_of(units, min(n, self.most_clusters), seed)
        size = np.bincount(cluster)
        confidence = self._confidence(units)
        open_rows = np.flatnonzero(labels < 0)
        order = open_rows[np.lexsort((open_rows, confidence[open_rows], cluster[open_rows]))]
        starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
        turn = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
        rows = order[np.lexsort((confidence[order], -size[cluster[order]], turn))][:n]
        return Picks(rows, confidence[rows], size[cluster[rows]])

    def _confidence(self, units: Float32Array) -> Float64Array:
        if len(units) < 2:
            return np.ones(len(units))
        similarity = neighbor_graph(units, min(self.n_neighbors, len(units) - 1)).similarity.astype(np.float64)
        return np.asarray(1 / (1 + np.exp((similarity - 1) / self.temperature).sum(axis=1)))
