"""Weighted vote of the nearest labelled samples."""

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.label_makers import check_pool, labelled_rows, normalise_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, search

BLOCK = 8192


def knn_vote(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    k: int = 20,
    temperature: float = 0.07,
    class_balanced: bool = True,
    rows: Int64Array | None = None,
) -> Float32Array:
    """Probabilities (n, n_classes): the k labelled samples nearest by cosine each vote exp(cosine / temperature).

    Wu et al. 2018, Unsupervised feature learning via non-parametric instance discrimination, section 3.4. A labelled
    sample does not vote for itself. class_balanced divides a vote by the number of labels of its class, so that a class
    does not win by having been labelled more often. k above the number of labels means all of them. rows: only these
    rows of the pool are predicted, in that order. A sample with no labelled sample but itself gets uniform shares.
    """
    check_pool(embeddings, labels)
    labelled = labelled_rows(labels, n_classes)
    if k < 1:
        raise ValueError(f"k must be positive, got {k}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    wanted = np.arange(len(labels), dtype=np.int64) if rows is None else rows
    position = np.full(len(labels), -1, dtype=np.int64)
    position[labelled] = np.arange(len(labelled))
    counts = np.bincount(labels[labelled], minlength=n_classes) if class_balanced else None
    probabilities = np.empty((len(wanted), n_classes), dtype=np.float32)
    for start in range(0, len(wanted), BLOCK):
        block = wanted[start : start + BLOCK]
        found = search(embeddings[block], embeddings[labelled], min(k, len(labelled)), exclude=position[block])
        votes = labels[labelled[found.indices]]
        weights = _vote_weights(found, votes, labels[block], counts, temperature)
        probabilities[start : start + BLOCK] = _count_votes(votes, weights, n_classes)
    return probabilities


def _vote_weights(
    found: NeighborGraph, votes: Int64Array, own: Int64Array, counts: Int64Array | None, temperature: float
) -> Float64Array:
    similarity = found.similarity.astype(np.float64)
    # Relative to the nearest: only ratios count, and exp(1 / temperature) may not fit in a float.
    nearest = np.where(np.isfinite(similarity[:, :1]), similarity[:, :1], 0.0)
    weights: Float64Array = np.exp((similarity - nearest) / temperature)
    if counts is not None:
        # A labelled sample is left out of the counts too, or they would give its label away.
        weights /= np.maximum(counts[votes] - (votes == own[:, None]), 1)
    return weights


def _count_votes(votes: Int64Array, weights: Float64Array, n_classes: int) -> Float32Array:
    n = len(votes)
    cells = (np.arange(n)[:, None] * n_classes + votes).ravel()
    scores = np.bincount(cells, weights=weights.ravel(), minlength=n * n_classes).astype(np.float64, copy=False)
    return normalise_rows(scores.reshape(n, n_classes))
