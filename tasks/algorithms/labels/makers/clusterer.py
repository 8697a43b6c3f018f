"""The makers that do not learn from labels: they find clusters, which a few labels name."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from windrow.tasks.algorithms.arrays import GRID, Float32Array, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.cores.cluster_start import ClusterStart, cluster_start
from windrow.tasks.algorithms.labels.cores.self_training import Relabel, self_train
from windrow.tasks.algorithms.labels.cores.sinkhorn import NotConvergedError
from windrow.tasks.algorithms.labels.cores.soft_probe import SoftProbeConfig
from windrow.tasks.algorithms.labels.folds import Predict, check_pool, labelled_rows
from windrow.tasks.algorithms.labels.maker import Count, LabelPool, Maker, Need, Positive, SettingError
from windrow.tasks.algorithms.labels.probabilities import normalise_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

# Clusters of a sample that are kept.
KEPT = 10
# Of the clusters' sizes in a round, relative: labels that a head learns and replaces need no better ones.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Clusterer(Maker):
    """Clusters of the pool, made once and named anew by each labels (`name_clusters`).

    `n_clusters`: null is one for each class; with another number a cluster gets the classes of its labelled samples.
    `smoothing`: labels that the even mixture of the classes counts as, with another number of clusters.
    """

    n_clusters: Annotated[int, Ge(2)] | None = None
    smoothing: Positive = 1.0

    @property
    def needs(self) -> tuple[Need, ...]:
        return ()

    @abstractmethod
    def clusters(self, pool: LabelPool, n_clusters: int) -> SparseProbabilities:
        """The ten most probable of n_clusters clusters of each sample; no labels.

        The seed is that of the start, and the answer depends on the order of the samples through it. Holds a few arrays
        (n, n_clusters). Raises ValueError, and SettingError where settings do not fit the pool.
        """

    def fit(self, pool: LabelPool) -> Predict:
        found = self.clusters(pool, self.n_clusters or pool.n_classes)
        return lambda labels, rows: name_clusters(found, labels, pool.n_classes, self.smoothing, rows)


@dataclass(frozen=True)
class Refined(Clusterer):
    """Clusters of k-means of the centred pool (`cluster_start`), refined in rounds.

    In each round a linear head learns what the method makes of the last head's predictions.

    `n_rounds`: of the head.
    `l2`: of the head's weights.
    """

    n_rounds: Count = 10
    l2: Positive = 0.0001

    softer = "eps: wants a larger one"

    @abstractmethod
    def relabel(self, pool: LabelPool, start: ClusterStart) -> Relabel:
        """What a head learns in a round: soft labels and the samples' weights, of the last head's probabilities."""

    def clusters(self, pool: LabelPool, n_clusters: int) -> SparseProbabilities:
        start = started(pool, n_clusters)
        relabel = self.relabel(pool, start)
        try:
            return self_train(
                pool.embeddings, start.shares, relabel, self.n_rounds, SoftProbeConfig(self.l2), KEPT
            ).kept[-1]
        except NotConvergedError as error:
            raise SettingError(f"{self.softer} for this pool, got {self}: {error}") from None


def started(pool: LabelPool, n_clusters: int) -> ClusterStart:
    """Where the clusters of a pool start from. Raises ValueError for fewer than two."""
    if n_clusters < 2:
        raise ValueError(f"n_clusters must be at least 2, got {n_clusters}")
    return cluster_start(pool.embeddings, n_clusters, pool.seed)


def kept(probabilities: Float32Array) -> SparseProbabilities:
    """The ten most probable clusters of each sample, of probabilities (n, n_clusters)."""
    return SparseProbabilities.of(probabilities, min(KEPT, probabilities.shape[1]))


def name_clusters(
    predictions: SparseProbabilities,
    labels: Int64Array,
    n_classes: int,
    smoothing: float = 1.0,
    rows: Int64Array | None = None,
) -> Float32Array:
    """Probabilities (n, n_classes) of classes, from those of clusters and a few labels int64 (n,), -1 for none.

    With as many clusters as classes each class gets the cluster of its own: the matching with the most labelled mass
    (the Hungarian method, Kuhn 1955), every class of equal weight. Clusters beyond the labelled classes are shared
    evenly by the classes without a label: one such class gets the one that is left. With another number of clusters,
    each gets the classes of its labelled mass, every class of equal weight, and `smoothing` labels more that are spread
    over the labelled classes; a class without labels gets 0. rows: only these rows of the pool, in that order. No sum
    depends on the order of the samples.
    """
    check_pool(predictions.classes, labels)
    mass = _labelled_mass(predictions, labels, n_classes)
    table = _matched(mass) if len(mass) == n_classes else _mixed(mass, labels, smoothing)
    wanted = np.arange(len(labels), dtype=np.int64) if rows is None else rows
    named = np.empty((len(wanted), n_classes), dtype=np.float32)
    for block in row_blocks(len(wanted)):
        shares = predictions.dense(wanted[block]).astype(np.float64)
        named[block] = normalise_rows(np.einsum("nk,kc->nc", shares, table))
    return named


def _labelled_mass(predictions: SparseProbabilities, labels: Int64Array, n_classes: int) -> Float64Array:
    """The share of each class's labelled mass in each cluster: float64 (n_clusters, n_classes), columns of 1 or 0."""
    labelled = labelled_rows(labels, n_classes)
    sums = np.zeros((n_classes, predictions.n_classes))
    for block in row_blocks(len(labelled)):
        rows = labelled[block]
        # Multiples of 2^-26 add up exactly.
        np.add.at(sums, labels[rows], np.rint(predictions.dense(rows).astype(np.float64) * GRID) / GRID)
    total = sums.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(sums, total, out=np.zeros_like(sums), where=total > 0).T)


def _matched(mass: Float64Array) -> Float64Array:
    from scipy.optimize import linear_sum_assignment

    known = np.flatnonzero(mass.any(axis=0))
    clusters, columns = linear_sum_assignment(mass[:, known], maximize=True)
    table = np.zeros_like(mass)
    table[clusters, known[columns]] = 1.0
    left, unknown = np.flatnonzero(~table.any(axis=1)), np.flatnonzero(~mass.any(axis=0))
    table[np.ix_(left, unknown)] = 1.0 / max(len(unknown), 1)
    return table


def _mixed(mass: Float64Array, labels: Int64Array, smoothing: float) -> Float64Array:
    known = mass.any(axis=0)
    per_class = np.count_nonzero(labels >= 0) / np.count_nonzero(known)
    counted = per_class * mass + smoothing * known / np.count_nonzero(known)
    return np.asarray(counted / counted.sum(axis=1, keepdims=True))
