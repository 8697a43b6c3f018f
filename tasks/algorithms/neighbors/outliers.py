"""How alone a sample is among the embeddings, and how far from what the pool is about."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, row_blocks, unit_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

NEAR_CLUSTERS = 5
MORE_CLUSTERS = 10


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


def off_topic_score(embeddings: npt.NDArray[Any], clusterings: Sequence[Float64Array]) -> Float32Array:
    """How likely each sample of embeddings (n, d) belongs nowhere, among all: a rank from 0 to 1 (n,), 1 first.

    A consensus of two questions, each asked of every clustering (`coarse_centroids`) and answered by the mean rank.
    How far is the sample's cluster from the NEAR_CLUSTERS clusters nearest to it: strangers who are like each other
    (digits among photographs), whom no distance to neighbours finds. How far is the sample itself from the
    MORE_CLUSTERS nearest clusters that are not its own: strangers one by one. The score is the higher of the two ranks.
    It is an order, no probability: a pool without strangers has a first, too. docs/evidence/detection.md tells how
    well it orders.
    """
    apart, far = np.zeros(len(embeddings)), np.zeros(len(embeddings))
    for centroids in clusterings:
        of_cluster, of_sample = _distances(embeddings, centroids)
        apart += _ranks(of_cluster)
        far += _ranks(of_sample)
    score: Float32Array = np.maximum(_ranks(apart), _ranks(far)).astype(np.float32)
    return score


def _distances(embeddings: npt.NDArray[Any], centroids: Float64Array) -> tuple[Float64Array, Float64Array]:
    """1 - mean cosine of each sample's cluster, and of the sample itself, to the nearest other clusters, (n,) each."""
    between = centroids @ centroids.T
    np.fill_diagonal(between, -np.inf)
    isolation = 1 + np.sort(-between, axis=1)[:, :NEAR_CLUSTERS].mean(axis=1)
    of_cluster, of_sample = np.empty(len(embeddings)), np.empty(len(embeddings))
    for block in row_blocks(len(embeddings)):
        similarity = unit_rows(embeddings[block])[0] @ centroids.T
        own = similarity.argmax(axis=1)
        similarity[np.arange(len(own)), own] = -np.inf
        of_cluster[block] = isolation[own]
        of_sample[block] = 1 + np.sort(-similarity, axis=1)[:, :MORE_CLUSTERS].mean(axis=1)
    return of_cluster, of_sample


def _ranks(values: Float64Array) -> Float64Array:
    """From 1 / n to 1, the mean of equals' places."""
    _, own, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[own] / len(values))
