"""Samples whose prediction is sure, and few of those that the pool has most of (EATA, in an order of its own)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Float64Array, Int64Array, wide_blocks
from windrow.tasks.algorithms.labels.deciding.policy import Decision, Policy, Predictions
from windrow.tasks.algorithms.labels.pool_statistics import check_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, dense_rows, first_class, some_rows
from windrow.tasks.algorithms.selection.seeded_order import seeded_order

# EATA's: samples to a batch, and how much of the average stays when one comes.
BATCH = 64
MEMORY = 0.9


@dataclass(frozen=True)
class Reliable(Policy):
    """`entropy_share`: the entropy to stay below, as a share of the largest.

    `max_cosine`: the cosine with the mean of those kept before from which a sample is redundant, null:
    1.25 / sqrt(classes).
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
            left, keys = some_rows(said.probabilities, rows), said.evidence.known("keys")[rows]
            kept = reliable_and_distinct(left, keys, self.entropy_share, self.max_cosine)
            given[rows] = kept & (first_class(left) == said.label[rows])
            weight[rows] = np.exp(-row_entropy(left))
        return said.given(given, weight)


def reliable_and_distinct(
    probabilities: Probabilities,
    keys: npt.NDArray[Any],
    entropy_share: float = 0.4,
    max_cosine: float | None = None,
    seed: int = 0,
) -> BoolArray:
    """Return which rows of probabilities (n, n_classes) to learn from: sure ones, and not too many that are alike.

    Sure: of an entropy below entropy_share ln n_classes. Niu et al. 2022, Efficient test-time model adaptation without
    forgetting (EATA), equations 3 to 6: samples come in batches of BATCH, and of a batch those are kept whose cosine
    with the moving average of the means of those kept before is below max_cosine. What is kept depends on the order of
    the stream; here that is the seeded order of keys (n,), one for each sample, so that permuting the pool permutes the
    answer, and as many are kept as in any other order. max_cosine None: 1.25 / sqrt(n_classes), 1 at most (EATA's 0.4
    for 10 classes); at 1 all sure ones are kept.
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
    return reliable if limit == 1 else _distinct(probabilities, reliable, np.argsort(order, kind="stable"), limit)


def _distinct(probabilities: Probabilities, reliable: BoolArray, stream: Int64Array, limit: float) -> BoolArray:
    """Which reliable rows are not like those kept before them in the stream of rows (n,)."""
    kept = np.zeros(len(probabilities), dtype=np.bool_)
    average: Float64Array | None = None
    for start in range(0, len(stream), BATCH):
        rows = stream[start : start + BATCH]
        rows = rows[reliable[rows]]
        p = dense_rows(probabilities, rows).astype(np.float64)
        if average is not None:
            # Not a matrix product: its last bits could depend on a row's place in the batch.
            cosine = (p * average).sum(axis=1) / np.sqrt((p * p).sum(axis=1) * (average * average).sum())
            rows, p = rows[cosine < limit], p[cosine < limit]
        if len(rows):
            kept[rows] = True
            average = p.mean(axis=0) if average is None else MEMORY * average + (1 - MEMORY) * p.mean(axis=0)
    return kept


def row_entropy(probabilities: Probabilities) -> Float32Array:
    """Return -sum p ln p of each row, float32 (n,), in nats; 0 ln 0 = 0."""
    entropy = np.empty(len(probabilities), dtype=np.float32)
    for rows in wide_blocks(*probabilities.shape):
        p = dense_rows(probabilities, rows).astype(np.float64)
        entropy[rows] = -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1)
    return entropy
