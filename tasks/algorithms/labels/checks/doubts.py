"""How many given labels are called wrong, and which may be: decided here for every method that gives a verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.labels.judging.transition_table import TransitionTable
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


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
    n_pruned: int, transition: TransitionTable, predictions: SparseProbabilities, labels: Int64Array
) -> Doubts:
    """Return sqrt(pruned likely) doubts, about labels that are not the first class of the predictions.

    pruned: by confident learning; too many where the model is weak, because it takes all that the model does not know
    for noise. likely: labels with a posterior below 1/2 by the transition table; too few where noise depends on the
    picture, because it takes noise for what the model does not know. Neither can be had without its fault: a set of
    clean, hard samples and one whose confusing samples are labelled wrong give one model the same predictions.
    """
    contradicted = np.asarray(predictions.classes[:, 0] != labels)
    likely = int((transition.posterior < 0.5).sum())
    return Doubts(contradicted, round(float(np.sqrt(n_pruned * likely))))
