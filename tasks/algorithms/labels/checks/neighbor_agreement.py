"""Whether a sample's nearest neighbours bear its label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement, check_given
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

# n k k comparisons at a time: rows of a block for the k of the graph.
COMPARED_AT_ONCE = 2**24


@dataclass(frozen=True)
class NeighborAgreement(Check):
    """`k`: neighbours asked, among the judged samples. `temperature`: how much more the nearest weigh.

    `class_balanced`: a vote counts less the more labels its class has.
    """

    k: Annotated[int, Ge(1)] = 50
    temperature: Annotated[float, Gt(0)] = 0.07
    class_balanced: bool = True
    needs = ("neighbors",)

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the share of the neighbours' votes for the label, and where another label has more."""
        graph = given.nearest(self.k)
        return judge_by_neighbors(graph, given.labels, given.n_classes, self.temperature, self.class_balanced)


def judge_by_neighbors(
    graph: NeighborGraph,
    labels: Int64Array,
    n_classes: int,
    temperature: float = 0.07,
    class_balanced: bool = True,
) -> Judgement:
    """Return the weighted share of the k nearest that bear the sample's own label; noisy where another has more.

    A neighbour weighs exp(cosine / temperature), divided, if class_balanced, by the number of labels of its class
    without the sample's own, so that a frequent class is not right by its frequency: the leave-one-out likelihood of
    Feng et al. 2021, Rethinking supervised pre-training for better downstream transferring (LOOK), with the correction
    for the prior added. A sample without neighbours scores 1 / n_classes and is not called noisy. A tie between the own
    label and another is not noise. Memory O(n k), in blocks of k^2 comparisons a row.
    """
    own, other = neighbor_shares(graph, labels, n_classes, temperature, class_balanced)
    return Judgement(own.astype(np.float32), np.asarray(other > own))


def neighbor_shares(
    graph: NeighborGraph, labels: Int64Array, n_classes: int, temperature: float = 0.07, class_balanced: bool = True
) -> tuple[Float64Array, Float64Array]:
    """Return the weighted shares (n,) of the own label, and of the other label with most, among the neighbours."""
    check_given(labels, n_classes, len(graph.indices))
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    counts = np.bincount(labels, minlength=n_classes) if class_balanced else np.zeros(n_classes, np.int64)
    own, other = np.full((2, len(labels)), 1.0 / n_classes)
    block = max(COMPARED_AT_ONCE // graph.indices.shape[1] ** 2, 1)
    for start in range(0, len(labels), block):
        rows = slice(start, start + block)
        votes = np.where(graph.indices[rows] >= 0, labels[graph.indices[rows]], -1)
        weights = _weights(graph.similarity[rows], votes, labels[rows], counts, temperature)
        total = weights.sum(axis=1)
        for share, sums in zip((own, other), _own_and_best_other(votes, weights, labels[rows]), strict=True):
            np.divide(sums, total, out=share[rows], where=total > 0)
    return own, other


def _weights(
    similarity: Float32Array,
    votes: Int64Array,
    own: Int64Array,
    counts: Int64Array,
    temperature: float,
) -> Float64Array:
    there = votes >= 0
    cosine = np.where(there, similarity, 0.0).astype(np.float64)
    # Relative to the nearest: only ratios count, and exp(1 / temperature) may not fit in a float.
    weights = np.where(there, np.exp((cosine - cosine[:, :1]) / temperature), 0.0)
    return np.asarray(weights / np.maximum(counts[votes] - (votes == own[:, None]), 1), dtype=np.float64)


def _own_and_best_other(votes: Int64Array, weights: Float64Array, own: Int64Array) -> tuple[Float64Array, Float64Array]:
    is_own = votes == own[:, None]
    mine = np.where(is_own, weights, 0.0).sum(axis=1)
    # The sum of each slot's class, from the k by k table of equal votes: no row of n_classes is made.
    same = votes[:, :, None] == votes[:, None, :]
    of_class = np.where(same, weights[:, None, :], 0.0).sum(axis=2)
    return mine, np.where(is_own, 0.0, of_class).max(axis=1)
