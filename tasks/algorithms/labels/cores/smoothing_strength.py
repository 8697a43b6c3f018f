"""How many neighbours' votes a prediction should hear: what the labels held out say."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.combining.calibration import apply_temperature, fit_temperature
from windrow.tasks.algorithms.labels.cores.prediction_smoothing import Ties, smooth_predictions
from windrow.tasks.algorithms.labels.folds import Predict, assign_folds, labelled_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

STRENGTHS = (1.0, 2.0, 5.0, 8.0)
USUAL = 2.0
"""Of the strengths, where the labels do not say."""
DEVIATION = 1.0
"""Of the logarithm of the strength, before a label is seen."""
MANY = 500
"""So many labels are enough to judge by: one fold is held out, not each in turn."""
TOLERANCE = 1e-4


def choose_strength(
    start: Predict,
    graph: NeighborGraph,
    labels: Int64Array,
    n_classes: int,
    gamma: float = 3.0,
    n_folds: int = 5,
    seed: int = 0,
) -> float:
    """Return which of STRENGTHS makes labels (n,), -1 where there is none, most likely by what others say of them.

    start: what is smoothed. Its predictions from the labels of the other folds are smoothed by each strength, and
    calibrated (`fit_temperature`). The cost is the sum of -log p[label], and log(strength / 2)^2 / (2 DEVIATION^2) for
    the strength: few labels have to agree before it is another than USUAL. A label that is the only one of its class
    says nothing: it cannot be found without itself. With MANY labels the first fold alone is held out.
    """
    rows = labelled_rows(labels, n_classes)
    if np.bincount(labels[rows], minlength=n_classes).max() < 2:
        return USUAL
    folds = assign_folds(labels, n_folds, seed)[rows]
    held = folds < (1 if len(rows) >= MANY else n_folds)
    apart = np.zeros((len(STRENGTHS), len(rows), n_classes), np.float32)
    ties = Ties.of(graph, gamma)
    for fold in np.unique(folds[held]):
        left_out = rows[folds == fold]
        rest = labels.copy()
        rest[left_out] = -1
        said = start(rest, np.arange(len(labels)))
        for place, strength in enumerate(STRENGTHS):
            smoothed = smooth_predictions(ties, said, strength, TOLERANCE).probabilities
            apart[place, folds == fold] = smoothed[left_out]
    known = labels[rows][held]
    costs = [_cost(each[held], known, strength) for each, strength in zip(apart, STRENGTHS, strict=True)]
    return STRENGTHS[int(np.argmin(costs))]


def _cost(held_out: Float32Array, labels: Int64Array, strength: float) -> float:
    sure = apply_temperature(held_out, fit_temperature(held_out, labels))[np.arange(len(labels)), labels]
    findable = np.bincount(labels)[labels] > 1
    likelihood = np.log(np.maximum(sure[findable].astype(np.float64), 1e-7)).sum()
    return float(0.5 * (np.log(strength / USUAL) / DEVIATION) ** 2 - likelihood)
