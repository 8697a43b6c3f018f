"""The label that is nearest to all that a sample may be: a decision for classes that are more or less alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array

BLOCK = 8192
# Relative to the largest distance: what symmetry and the triangle inequality may miss by rounding.
ROUNDING = 1e-9
PROBABILITY_GRID = 2.0**30
DISTANCE_GRID = 2.0**22


@dataclass(frozen=True)
class LabelMetric:
    """Distances between labels, float64 (n_labels, n_labels): hops in a tree, angles of texts, or what a user knows.

    Raises ValueError, naming the labels, unless they are finite, 0 from a label to itself and positive to others, the
    same both ways, and never longer than by way of a third label.
    """

    distances: Float64Array

    def __post_init__(self) -> None:
        given = self.distances
        if given.ndim != 2 or given.shape[0] != given.shape[1] or not len(given):
            raise ValueError(f"distances must have shape (n_labels, n_labels), got {given.shape}")
        if not np.isfinite(given).all():
            raise ValueError(f"distances must be finite, {_first(~np.isfinite(given))} is not")
        apart = ~np.eye(len(given), dtype=bool)
        if np.any((given > 0) != apart):
            raise ValueError(
                f"distances must be 0 to the label itself and positive else, {_first((given > 0) != apart)} is not"
            )
        slack = ROUNDING * float(given.max())
        if np.any(np.abs(given - given.T) > slack):
            raise ValueError(f"distances must be symmetric, {_first(np.abs(given - given.T) > slack)} is not")
        for middle in range(len(given)):
            longer = given > given[:, middle, None] + given[middle] + slack
            if longer.any():
                raise ValueError(
                    f"distances must obey the triangle inequality, {_first(longer)} by {middle} is shorter"
                )


@dataclass(frozen=True)
class MetricLabels:
    """The labels int64 (n,), and the expected squared distance to each, float64 (n,): small where sure."""

    label: Int64Array
    variance: Float64Array


def nearest_labels(
    probabilities: Float32Array, metric: LabelMetric, observed: Int64Array | None = None
) -> MetricLabels:
    """Return the label y that minimises sum_c p_c d(c, y)^2, for each row (n, n_classes): the Fréchet mean.

    Roberts et al. 2023, Geometry-aware adaptation for pretrained models (Loki). observed: int64 (n_classes,), the label
    that each class is, by default all of them in order; the metric may have more labels than there are classes, and
    then a label that no classifier knows can be the answer. Where all distances are equal it is the argmax. The lowest
    of equals wins, exactly: probabilities count in multiples of 2^-30 and squared distances in 2^-22 of the largest,
    so that float64 holds every sum.
    """
    n_labels = len(metric.distances)
    classes = np.arange(n_labels, dtype=np.int64) if observed is None else observed
    if classes.dtype != np.int64 or classes.ndim != 1 or len(np.unique(classes)) != len(classes):
        raise ValueError(f"observed must be different labels, int64 (n_classes,), got {classes.tolist()}")
    if len(classes) and not 0 <= classes.min() <= classes.max() < n_labels:
        raise ValueError(f"observed must be from 0 to {n_labels - 1}, got {classes.min()} to {classes.max()}")
    if probabilities.ndim != 2 or probabilities.shape[1] != len(classes):
        raise ValueError(f"probabilities must have shape (n, {len(classes)}), got {probabilities.shape}")
    squares = np.square(metric.distances[classes])
    largest = float(squares.max(initial=0.0)) or 1.0
    table = np.rint(squares / largest * DISTANCE_GRID) / DISTANCE_GRID
    label, variance = np.empty(len(probabilities), np.int64), np.empty(len(probabilities))
    with threadpool_limits(limits=1):
        for start in range(0, len(probabilities), BLOCK):
            block = slice(start, start + BLOCK)
            rounded = np.rint(probabilities[block].astype(np.float64) * PROBABILITY_GRID) / PROBABILITY_GRID
            expected = rounded @ table
            label[block] = expected.argmin(axis=1)
            variance[block] = expected.min(axis=1) * largest
    return MetricLabels(label, variance)


def _first(wrong: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> str:
    row, column = np.argwhere(wrong)[0]
    return f"({row}, {column})"
