"""Samples whose prediction is sure, and few of those that the pool has most of (EATA, without a stream)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Policy, Predictions
from windrow.tasks.algorithms.labels.pool_statistics import check_rows, pool_mean
from windrow.tasks.algorithms.selection.seeded_order import seeded_order


@dataclass(frozen=True)
class Reliable(Policy):
    """`entropy_share`: the entropy to stay below, as a share of the largest.

    `max_cosine`: the cosine with the pool's mean at which a class has enough, null: 1.25 / sqrt(classes).
    """

    entropy_share: Annotated[float, Interval(gt=0, le=1)] = 0.4
    max_cosine: Annotated[float, Interval(gt=0, le=1)] | None = None
    needs = ("keys",)

    def decide(self, said: Predictions) -> Decision:
        """Return the labels, among samples without a given one, that the filter keeps.

        A label that is not the most probable class is not reliable. The weight is EATA's exp(limit - entropy) divided
        by its largest, exp(limit): the likeliest count 1.
        """
        rows = np.flatnonzero(said.evidence.labels < 0)
        given, weight = np.zeros(len(said.label), np.bool_), np.zeros(len(said.label), np.float32)
        if len(rows):
            left, keys = said.probabilities[rows], said.evidence.known("keys")[rows]
            kept = reliable_and_distinct(left, keys, self.entropy_share, self.max_cosine)
            given[rows] = kept & (left.argmax(axis=1) == said.label[rows])
            weight[rows] = np.exp(-row_entropy(left))
        return said.given(given, weight)


def reliable_and_distinct(
    probabilities: Float32Array,
    keys: npt.NDArray[Any],
    entropy_share: float = 0.4,
    max_cosine: float | None = None,
    seed: int = 0,
) -> BoolArray:
    """Return which rows of probabilities (n, n_classes) to learn from: sure ones, and not too many that are alike.

    Sure: of an entropy below entropy_share ln n_classes. Niu et al. 2022, Efficient test-time model adaptation without
    forgetting (EATA), equations 3 to 6, keeps a reliable sample when the cosine between its probabilities and the
    moving average of those kept before is below max_cosine: the answer depends on the order of the stream. What it
    settles at does not. A reliable prediction is nearly one-hot, so its cosine with the average m is m_c / ||m||: a
    class is let through until that reaches max_cosine, and is then held back while others come. In the end the numbers
    kept are min(n_c, capacity) with capacity / ||numbers kept|| = max_cosine. Here that capacity is solved for, and
    each class keeps those of its reliable samples that are least like the reliable pool's mean; of equals those that
    come first in the seeded order of keys (n,), one for each sample. With fewer classes than 1 / max_cosine^2 no
    numbers satisfy it: each class then keeps as many as the smallest has. max_cosine None: 1.25 / sqrt(n_classes), 1 at
    most (EATA's 0.4 for 10 classes).
    """
    check_rows("probabilities", probabilities)
    n, n_classes = probabilities.shape
    limit = min(1.25 / np.sqrt(n_classes), 1.0) if max_cosine is None else max_cosine
    if not 0 < entropy_share <= 1 or not 0 < limit <= 1:
        raise ValueError(f"entropy_share and max_cosine must be above 0 and at most 1, got {entropy_share} and {limit}")
    order = seeded_order(keys, seed)
    if len(order) != n:
        raise ValueError(f"keys must have one entry for each of the {n} rows, got {len(order)}")
    reliable = row_entropy(probabilities) < np.float32(entropy_share * np.log(n_classes))
    redundancy = _cosine_to_mean(probabilities, reliable)
    return _first_of_each_class(probabilities.argmax(axis=1), reliable, redundancy, order, n_classes, float(limit))


def row_entropy(probabilities: Float32Array) -> Float32Array:
    """Return -sum p ln p of each row, float32 (n,), in nats; 0 ln 0 = 0."""
    entropy = np.empty(len(probabilities), dtype=np.float32)
    for rows in row_blocks(len(probabilities)):
        p = probabilities[rows].astype(np.float64)
        entropy[rows] = -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1)
    return entropy


def class_capacity(counts: Int64Array, max_cosine: float) -> float:
    """Return the largest capacity at which no min(counts, capacity) is more than max_cosine times their norm.

    The smallest count above 0 where none is (then even is the best that there is), the largest where none is exceeded.
    """
    found = counts[counts > 0].astype(np.float64)
    if not len(found):
        return 0.0
    low, high = found.min(), found.max()
    if _largest_cosine(found, high) <= max_cosine:
        return float(high)
    # The cosine grows with the capacity (each min(count / capacity, 1) falls): halving finds where it is reached.
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _largest_cosine(found, middle) <= max_cosine else (low, middle)
    return float(low)


def _largest_cosine(counts: Float64Array, capacity: float) -> float:
    kept = np.minimum(counts, capacity)
    return float(kept.max() / np.sqrt((kept**2).sum()))


def _cosine_to_mean(probabilities: Float32Array, reliable: BoolArray) -> Float32Array:
    """The cosine (n,) between each row and the mean of the reliable rows; 0 where there are none."""
    cosine = np.zeros(len(probabilities), dtype=np.float32)
    if not reliable.any():
        return cosine
    mean = pool_mean(len(probabilities), lambda rows: probabilities[rows] * reliable[rows, None])
    mean /= np.sqrt((mean**2).sum())
    for rows in row_blocks(len(probabilities)):
        p = probabilities[rows].astype(np.float64)
        # Not a matrix product: its last bits could depend on a row's place in the block.
        cosine[rows] = (p * mean).sum(axis=1) / np.sqrt((p * p).sum(axis=1))
    return cosine


def _first_of_each_class(
    predicted: Int64Array,
    reliable: BoolArray,
    redundancy: Float32Array,
    order: npt.NDArray[np.uint64],
    n_classes: int,
    max_cosine: float,
) -> BoolArray:
    """Of each class's reliable samples the least redundant, as many as its capacity, rounded down."""
    rows = np.flatnonzero(reliable)
    counts = np.bincount(predicted[rows], minlength=n_classes)
    rows = rows[np.lexsort((order[rows], redundancy[rows], predicted[rows]))]
    starts = np.concatenate([[0], np.cumsum(counts)])[:-1]
    place = np.arange(len(rows)) - starts[predicted[rows]]
    kept = np.zeros(len(predicted), dtype=np.bool_)
    kept[rows[place < int(class_capacity(counts, max_cosine))]] = True
    return kept
