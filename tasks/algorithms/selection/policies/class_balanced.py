"""As many of each class as there are, by what the pipeline's own labels expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import MinLen

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array
from windrow.tasks.algorithms.selection.leaf_order import leaf_keys, order_expressions, order_needs
from windrow.tasks.algorithms.selection.ranking import rank_by
from windrow.tasks.algorithms.selection.selection_policy import Candidates, Need, Ranked, SelectionPolicy
from windrow.tasks.algorithms.selection.tree_paths import most_probable


@dataclass(frozen=True)
class ClassBalanced(SelectionPolicy):
    """Equal expected counts of the classes, the surest samples of each first.

    The class whose chosen samples are expected to hold the fewest of it goes next: its k-th sample comes at the sum of
    the first k probabilities, so that doubtful samples, half of which may be of another class, take half a place.

    `order`: which samples of a class come first: 'surest', 'random', 'typical', 'density', 'closest', 'farthest', or a
    SQL expression, lowest first, or highest where it ends in DESC.
    """

    order: Annotated[str, MinLen(1)] = "surest"

    @property
    def needs(self) -> tuple[Need, ...]:
        return ("probabilities", *order_needs(self.order))

    @property
    def expressions(self) -> tuple[str, ...]:
        return order_expressions(self.order)

    def rank(self, candidates: Candidates, seed: int) -> Ranked:
        """Return the ranking; the classes are its strata. Two sorts of the samples, no number a sample and class."""
        said = candidates.known("probabilities", "class-balanced")
        classes = most_probable(candidates, "class-balanced")
        keys = leaf_keys(self.order, candidates, seed, "class-balanced")
        within = np.lexsort((candidates.sample_ids, keys, classes))
        count = np.empty(len(classes))
        count[within] = expected_counts(classes[within], said.probabilities[within, 0].astype(np.float64))
        count[classes == 0] = np.inf  # of no class: last of all
        return Ranked(rank_by(count, candidates.sample_ids), classes[:, None].astype(np.int32))


def expected_counts(classes: Int64Array, probabilities: Float64Array) -> Float64Array:
    """How many of its class are expected among each sample and those before it, float64 (n,).

    classes: int64 (n,), ascending; probabilities: (n,), of these classes.
    """
    total = np.cumsum(probabilities)
    first = np.flatnonzero(np.r_[True, classes[1:] != classes[:-1]]) if len(classes) else np.empty(0, np.int64)
    before = np.repeat(total[first] - probabilities[first], np.diff(np.r_[first, len(classes)]))
    return total - before
