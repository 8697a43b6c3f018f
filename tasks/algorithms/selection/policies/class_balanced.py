"""As many of each class as there are, by what the pipeline's own labels expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.selection.leaf_order import uniform_numbers, weighted_keys
from windrow.tasks.algorithms.selection.merging import merge_parts
from windrow.tasks.algorithms.selection.policies.balanced import Balanced
from windrow.tasks.algorithms.selection.ranking import rank_by
from windrow.tasks.algorithms.selection.selection_policy import Candidates, Need, Ranked, SelectionPolicy
from windrow.tasks.algorithms.selection.tree_paths import nested

LEAST_WEIGHT = 1e-12  # of a sample whose label says no more than chance
ENOUGH = 0.5  # certainty from which on labels alone decide; below it clusters share in proportion


@dataclass(frozen=True)
class ClassBalanced(SelectionPolicy):
    """Equal expected counts of the classes; where labels say little, balanced over clusters.

    The class whose chosen samples are expected to hold the fewest of it goes next: its k-th sample comes at the sum of
    the first k probabilities, so that a sample that is as likely of another class takes half a place.

    `sharpness`: samples of a class are drawn with weight p^sharpness, p their probability above chance: 0 is a uniform
    draw, many the surest first, which finds more of rare classes and leaves out what is hard in the others.
    `balance`, of the clusters: see `balanced`.

    With mean certainty c, 0 where labels say no more than chance and 1 where they are sure, the clusters make a share
    of 1 - 2c of every prefix, and all of it without labels of two classes.
    """

    sharpness: Annotated[float, Ge(0)] = 2.0
    balance: Annotated[float, Ge(0), Le(1)] = 0.5

    @property
    def needs(self) -> tuple[Need, ...]:
        return ("probabilities",)

    def rank(self, candidates: Candidates, seed: int) -> Ranked:
        """Return the ranking; the classes, and below them the clusters, are its strata.

        Some sorts of the samples, and a merge where labels are weak; no number a sample and class.
        """
        clusters = Balanced(order="random", balance=self.balance)
        said = candidates.probabilities
        if said is None or not len(candidates):
            return clusters.rank(candidates, seed)
        above = above_chance(said)
        share = min(1.0, float(above.mean()) / ENOUGH)
        by_class = self._by_class(candidates, said, above, seed)
        if share == 1:
            return Ranked(by_class, said.classes[:, :1].astype(np.int32) + 1)
        by_cluster = clusters.rank(candidates, seed)
        if share == 0:
            return by_cluster
        merged = merge_parts([np.argsort(by_class), np.argsort(by_cluster.place)], [share, 1 - share], len(above))
        strata = nested([*by_cluster.strata.T.astype(np.int64), said.classes[:, 0] + 1])
        return Ranked(merged.place, strata)

    def _by_class(
        self, candidates: Candidates, said: SparseProbabilities, above: Float64Array, seed: int
    ) -> Int64Array:
        classes = said.classes[:, 0]
        drawn = weighted_keys(np.maximum(above, LEAST_WEIGHT), self.sharpness, uniform_numbers(candidates, seed))
        within = np.lexsort((candidates.sample_ids, drawn, classes))
        count = np.empty(len(classes))
        count[within] = expected_counts(classes[within], said.probabilities[within, 0].astype(np.float64))
        count[classes < 0] = np.inf  # of no class: last of all
        return rank_by(count, candidates.sample_ids)


def above_chance(said: SparseProbabilities) -> Float64Array:
    """How far the most probable class is above chance, float64 (n,): 0 at 1 / n_classes, 1 where it is sure."""
    chance = 1 / said.n_classes
    return np.asarray(np.clip((said.probabilities[:, 0].astype(np.float64) - chance) / (1 - chance), 0, 1))


def expected_counts(classes: Int64Array, probabilities: Float64Array) -> Float64Array:
    """How many of its class are expected among each sample and those before it, float64 (n,).

    classes: int64 (n,), ascending; probabilities: (n,), of these classes.
    """
    total = np.cumsum(probabilities)
    first = np.flatnonzero(np.r_[True, classes[1:] != classes[:-1]]) if len(classes) else np.empty(0, np.int64)
    before = np.repeat(total[first] - probabilities[first], np.diff(np.r_[first, len(classes)]))
    return total - before
