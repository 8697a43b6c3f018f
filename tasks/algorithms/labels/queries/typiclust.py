"""The most typical sample of every cluster that has no label yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.queries.label_query import MOST_CLUSTERS, LabelQuery, Picks, clusters_of
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph


@dataclass(frozen=True)
class TypiClust(LabelQuery):
    """TypiClust (Hacohen, Dekel and Weinshall 2022, arXiv 2202.02794, algorithm 1): for few labels.

    As many k-means clusters as there are labels and picks together; the largest with the fewest labels is served next,
    by its sample with the least mean distance to its nearest. The score is that distance, from 0 to 2. `n_neighbors`:
    how many of the cluster count as nearest. `most_clusters`: at most. `least_size`: smaller clusters come last.

    Time: that of k-means, and of comparing the samples within each cluster that is served.
    """

    n_neighbors: Annotated[int, Ge(1)] = 20
    most_clusters: Annotated[int, Ge(1)] = MOST_CLUSTERS
    least_size: Annotated[int, Ge(1)] = 5

    def _pick(self, units: Float32Array, labels: Int64Array, n: int, seed: int) -> Picks:
        n_labels = int((labels >= 0).sum())
        cluster = clusters_of(units, min(n_labels + n, self.most_clusters), seed)
        size = np.bincount(cluster)
        served = np.bincount(cluster[labels >= 0], minlength=len(size))
        distance: dict[int, Float64Array] = {}
        picks = np.empty(n, np.int64)
        score = np.empty(n)
        for place in range(n):
            full = served == size
            at = int(np.lexsort((-size, served, size < self.least_size, full))[0])
            rows = np.flatnonzero(cluster == at)
            if at not in distance:
                distance[at] = np.where(labels[rows] < 0, mean_distance(units[rows], self.n_neighbors), np.inf)
            best = int(distance[at].argmin())
            picks[place], score[place] = rows[best], distance[at][best]
            distance[at][best] = np.inf
            served[at] += 1
        return Picks(picks, score, size[cluster[picks]])


def mean_distance(units: Float32Array, k: int) -> Float64Array:
    """Mean Euclidean distance (n,) of each row to its k nearest others; 2 where it is alone."""
    if len(units) < 2:
        return np.full(len(units), 2.0)
    similarity = neighbor_graph(units, min(k, len(units) - 1)).similarity.astype(np.float64)
    return np.asarray(np.sqrt(np.clip(2 - 2 * similarity, 0, 4)).mean(axis=1))
