"""Weighted vote of the nearest labelled samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.folds import Predict, check_pool, labelled_rows
from windrow.tasks.algorithms.labels.maker import Count, LabelPool, Maker, Positive
from windrow.tasks.algorithms.labels.probabilities import normalise_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, search


@dataclass(frozen=True)
class KnnVote(Maker):
    """The k labelled samples nearest by cosine each vote exp(cosine / temperature).

    Wu et al. 2018, Unsupervised feature learning via non-parametric instance discrimination, section 3.4. A labelled
    sample does not vote for itself. A sample with no labelled sample but itself gets uniform shares.

    `k`: labelled samples that vote; all of them where there are fewer.
    `temperature`: a vote weighs exp(cosine / temperature).
    `class_balanced`: a class's votes are divided by its number of labels, so that none wins by having more.
    """

    k: Count = 20
    temperature: Positive = 0.07
    class_balanced: bool = True

    def fit(self, pool: LabelPool) -> Predict:
        return lambda labels, rows: self._vote(pool.embeddings, labels, pool.n_classes, rows)

    def _vote(self, embeddings: npt.NDArray[Any], labels: Int64Array, n_classes: int, rows: Int64Array) -> Float32Array:
        check_pool(embeddings, labels)
        labelled = labelled_rows(labels, n_classes)
        position = np.full(len(labels), -1, dtype=np.int64)
        position[labelled] = np.arange(len(labelled))
        counts = np.bincount(labels[labelled], minlength=n_classes) if self.class_balanced else None
        probabilities = np.empty((len(rows), n_classes), dtype=np.float32)
        for block in row_blocks(len(rows)):
            wanted = rows[block]
            k = min(self.k, len(labelled))
            found = search(embeddings[wanted], embeddings[labelled], k, exclude=position[wanted])
            votes = labels[labelled[found.indices]]
            weights = _vote_weights(found, votes, labels[wanted], counts, self.temperature)
            probabilities[block] = _count_votes(votes, weights, n_classes)
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
