"""How alone a sample is among the embeddings, and how far from what the pool is about."""

from collections.abc import Sequence

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array
from windrow.tasks.algorithms.neighbors.coarse_groups import CoarseGroups, lowest
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

NEAR_CLUSTERS = 5


def knn_outlier_score(graph: NeighborGraph) -> Float32Array:
    """1 - mean cosine (n,) to the k nearest neighbours, from 0 (identical to all k) to 2; higher is more outlying.

    Angiulli and Pizzuti 2002, Fast outlier detection in high dimensional spaces: the weight of a point is the sum of
    the distances to its k nearest; here their mean, and cosine for distance. Sun et al. 2022, Out-of-distribution
    detection with deep nearest neighbors, take the k-th alone on normalised features; the mean over all k does not
    jump when one neighbour more or less is a near-duplicate. A sample with no neighbour at all scores 2.
    """
    found = graph.indices >= 0
    total = np.where(found, graph.similarity, 0.0).astype(np.float64).sum(axis=1)
    mean = np.divide(total, found.sum(axis=1), out=np.full(len(total), -1.0), where=found.any(axis=1))
    score: Float32Array = np.clip(1.0 - mean, 0.0, 2.0).astype(np.float32)
    return score


def off_topic_score(groupings: Sequence[CoarseGroups]) -> Float32Array:
    """How likely each sample of a pool belongs nowhere, among all: a rank from 0 to 1 (n,), 1 first.

    A consensus of two questions, each asked of every one of its `coarse_groups` and answered by the mean rank. How far
    is the sample's cluster from the NEAR_CLUSTERS clusters nearest to it: strangers who are like each other (digits
    among photographs), whom no distance to neighbours finds. How far is the sample itself from the MORE_CLUSTERS
    nearest clusters that are not its own: strangers one by one. The score is the higher of the two ranks.
    It is an order, no probability: a pool without strangers has a first, too. docs/evidence/detection.md tells how
    well it orders.
    """
    apart, far = np.zeros(len(groupings[0].group)), np.zeros(len(groupings[0].group))
    for each in groupings:
        apart += _ranks(_isolation(each)[each.group])
        far += _ranks(each.far)
    score: Float32Array = np.maximum(_ranks(apart), _ranks(far)).astype(np.float32)
    return score


def _isolation(groups: CoarseGroups) -> Float64Array:
    """1 - mean cosine (k,) of each cluster to the NEAR_CLUSTERS others nearest to it."""
    between = groups.centroids @ groups.centroids.T
    np.fill_diagonal(between, -np.inf)
    return np.asarray(1 + lowest(-between, NEAR_CLUSTERS).mean(axis=1))


def _ranks(values: Float64Array) -> Float64Array:
    """From 1 / n to 1, the mean of equals' places."""
    _, own, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[own] / len(values))
