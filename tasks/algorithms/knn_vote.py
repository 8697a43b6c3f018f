"""Weighted vote of the nearest labelled samples."""

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.label_makers import check_pool, labelled_rows, normalise_rows
from windrow.tasks.algorithms.neighbors import Float32Array, Float64Array, Int64Array, NeighborGraph, search

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
    vote = (
        1.0 / np.maximum(np.bincount(labels[labelled], minlength=n_classes), 1)
        if class_balanced
        else np.ones(n_classes)
    )
    probabilities = np.empty((len(wanted), n_classes), dtype=np.float32)
    for start in range(0, len(wanted), BLOCK):
        block = wanted[start : start + BLOCK]
        found = search(embeddings[block], embeddings[labelled], min(k, len(labelled)), exclude=position[block])
        probabilities[start : start + BLOCK] = _count_votes(found, labels[labelled], vote, temperature)
    return probabilities


def _count_votes(found: NeighborGraph, labels: Int64Array, vote: Float64Array, temperature: float) -> Float32Array:
    similarity = found.similarity.astype(np.float64)
    # Relative to the nearest: only ratios count, and exp(1 / temperature) may not fit in a float.
    nearest = np.where(np.isfinite(similarity[:, :1]), similarity[:, :1], 0.0)
    neighbour_labels = labels[found.indices]
    weights = np.exp((similarity - nearest) / temperature) * vote[neighbour_labels]
    cells = np.arange(len(similarity))[:, None] * len(vote) + neighbour_labels
    size = len(similarity) * len(vote)
    scores = np.bincount(cells.ravel(), weights=weights.ravel(), minlength=size).astype(np.float64, copy=False)
    return normalise_rows(scores.reshape(len(similarity), len(vote)))
