"""How alone a sample is among the embeddings."""

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph


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
