"""How many given labels are called wrong, and which may be: decided here for every method that gives a verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.labels.judging.transition_table import TransitionTable
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

N_NEAREST = 10
UNKNOWN, SHARPNESS = 0.6, 4  # docs/evidence/wrong-labels.md


@dataclass(frozen=True)
class Doubts:
    """What a verdict keeps to. contradicted: bool (n,), labels that are not the prediction. most: of these, at most."""

    contradicted: BoolArray
    most: int

    def lowest(self, score: Float32Array, among: BoolArray | None = None) -> BoolArray:
        """Return the `most` lowest scores (n,) of contradicted labels, `among` some; equal ones by position."""
        candidates = self.contradicted if among is None else self.contradicted & among
        order = np.argsort(score, kind="stable")
        chosen = np.zeros(len(score), dtype=np.bool_)
        chosen[order[candidates[order]][: self.most]] = True
        return chosen

    def bound(self, said: Judgement) -> Judgement:
        """Return the judgement with what is left of its verdict; one without a verdict stays so."""
        return said if said.noisy is None else Judgement(said.score, self.lowest(said.score, said.noisy))


def doubts_of(
    n_pruned: int,
    transition: TransitionTable,
    predictions: SparseProbabilities,
    labels: Int64Array,
    graph: NeighborGraph,
) -> Doubts:
    """Return how many labels to doubt, of those that are not the first class of the predictions (n, k).

    max(likely, trust pruned). likely: labels with a posterior below 1/2 by the transition table; too few where noise
    depends on the picture, because it takes noise for what the model does not know. pruned: by confident learning; too
    many where the model is weak, because it takes all that the model does not know for noise. A clean set of hard
    samples, and one whose confusing samples are labelled wrong, give one model the same predictions; but how much it
    knows shows without any label: `homophily`. Of clean labels about UNKNOWN (1 - homophily) n are pruned, and trust is
    what is pruned to the power of SHARPNESS, over that plus this to the same power.
    """
    n, first = len(labels), predictions.classes[:, 0]
    noise = UNKNOWN * (1 - homophily(graph, first)) * n
    trust = 1 / (1 + (noise / n_pruned) ** SHARPNESS) if n_pruned else 0.0
    likely = int((transition.posterior < 0.5).sum())
    return Doubts(np.asarray(first != labels), max(likely, round(trust * n_pruned)))


def homophily(graph: NeighborGraph, predicted: Int64Array) -> float:
    """Return the share of the N_NEAREST nearest neighbours that are predicted (n,) the same class, 1 without any.

    About the accuracy that the model has on right labels, whatever the share of wrong ones: classes that it cannot
    tell apart lie among each other. Of digits it is .92, with 20 % of labels wrong too, and the accuracy is .93.
    """
    nearest = graph.indices[:, :N_NEAREST]
    same = (predicted[nearest] == predicted[:, None])[nearest >= 0]
    return float(same.mean()) if len(same) else 1.0
