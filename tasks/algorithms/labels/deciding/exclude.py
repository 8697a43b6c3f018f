"""A sure label for an unsure sample, by leaving out the classes that confuse it (ShrinkMatch)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Ge

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array, wide_blocks
from windrow.tasks.algorithms.labels.class_lists import ClassLists
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Policy, Predictions, Share
from windrow.tasks.algorithms.labels.pool_statistics import check_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, dense_rows, first_class, probability_of


@dataclass(frozen=True)
class Exclude(Policy):
    """`threshold`: least confidence among the classes not excluded.

    `most_excluded`: how many classes a sample may leave out before it abstains; null: any number, and nothing abstains.
    """

    threshold: Share = 0.8
    most_excluded: Annotated[int, Ge(0)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.threshold > 0:
            raise ValueError(f"threshold: wants more than 0 to exclude classes, got {self.threshold}")

    def decide(self, said: Predictions) -> Decision:
        """Return the labels that are sure once classes are left out, and which are."""
        shrunk = exclude_classes(said.probabilities, self.threshold, said.label, self.most_excluded)
        sure = shrunk.shrunk_confidence >= np.float32(self.threshold)
        given = sure if self.most_excluded is not None else np.ones(len(said.label), np.bool_)
        return replace(said.given(given, shrunk.weight), excluded=shrunk.excluded.emptied(~given))


@dataclass(frozen=True)
class ClassExclusion:
    """A label for every sample, and the classes that its loss must leave out for the label to be sure.

    label: int64 (n,), the most probable class, the lowest of equals, or what was predicted; excluded: the
    classes left out, none where the sample was sure; shrunk_confidence: float32 (n,), the label's share of what the
    kept classes have; weight: float32 (n,), 1 for the sure.
    """

    label: Int64Array
    excluded: ClassLists
    shrunk_confidence: Float32Array
    weight: Float32Array


def exclude_classes(
    probabilities: Probabilities,
    threshold: float = 0.95,
    predicted: Int64Array | None = None,
    most: int | None = None,
) -> ClassExclusion:
    """Leave out, of each row (n, n_classes), as few as possible of its second, third, ... until the first is sure.

    Yang et al. 2023, Shrinking class space for enhanced certainty in semi-supervised learning, section 3.2: with the
    classes in order of probability, the smallest K >= 2 with p_1 / (p_1 + p_K + p_K+1 + ...) >= threshold; ranks 2 to
    K - 1 are left out, of equals the lowest class first. All but the first may go: the weight tells. It is p_1 as it
    was, times the share of the pool that is sure by itself (section 3.3's two factors; the paper's second follows the
    model in training, the share of the pool is its one-pass form, and published details were not compared).
    predicted: int64 (n,), the classes that count as the first. most: at most so many are left out; then
    shrunk_confidence may end below the threshold.
    """
    check_rows("probabilities", probabilities)
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, got {threshold}")
    if most is not None and most < 0:
        raise ValueError(f"most must be from 0, got {most}")
    n, n_classes = probabilities.shape
    label = first_class(probabilities) if predicted is None else predicted
    confidence = probability_of(probabilities, label)
    limit = n_classes if most is None else most
    shrunk = np.empty(n, dtype=np.float32)

    def excluded() -> Iterator[npt.NDArray[np.bool_]]:
        for rows in wide_blocks(n, n_classes):
            left_out, shrunk[rows] = _shrink(dense_rows(probabilities, rows), label[rows], threshold, limit)
            yield left_out

    lists = ClassLists.of(excluded())
    sure = (lists.sizes == 0) & (shrunk >= np.float32(threshold))
    weight = np.where(sure, 1.0, confidence * (sure.mean() if n else 0.0)).astype(np.float32)
    return ClassExclusion(label, lists, shrunk, weight)


def _shrink(
    probabilities: Float32Array, label: Int64Array, threshold: float, most: int
) -> tuple[npt.NDArray[np.bool_], Float32Array]:
    """Which classes a block's rows leave out, bool (m, n_classes), and the label's confidence (m,) among the others."""
    first = label[:, None] == np.arange(probabilities.shape[1])
    order = np.argsort(np.where(first, -np.inf, -probabilities), axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1).astype(np.float64)
    # tail[:, r]: what the ranks from r on have together; column n_classes is the empty tail.
    tail = np.zeros((len(ranked), ranked.shape[1] + 1))
    tail[:, :-1] = ranked[:, ::-1].cumsum(axis=1)[:, ::-1]
    # p_1 >= t (p_1 + tail), in a form that a tail below the rounding of p_1 does not pass at a threshold of 1
    limit = float(np.float32(threshold))
    sure = ranked[:, :1] * (1 - limit) >= limit * tail[:, 1:]
    first_kept = 1 + np.minimum(sure.argmax(axis=1), most)
    left_out = np.empty(order.shape, dtype=np.bool_)
    rank = np.arange(order.shape[1])
    np.put_along_axis(left_out, order, (rank >= 1) & (rank < first_kept[:, None]), axis=1)
    kept = ranked[:, 0] + tail[np.arange(len(ranked)), first_kept]
    shrunk = np.divide(ranked[:, 0], kept, out=np.zeros(len(kept)), where=kept > 0)
    return left_out, shrunk.astype(np.float32)
