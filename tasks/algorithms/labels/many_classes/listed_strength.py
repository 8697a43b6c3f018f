"""How many neighbours' votes a prediction of many classes should hear: `choose_strength` of rows that list some."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.algorithms.labels.cores.smoothing_strength import DEVIATION, MANY, STRENGTHS, USUAL
from windrow.tasks.algorithms.labels.folds import assign_folds, labelled_rows
from windrow.tasks.algorithms.labels.many_classes.calibrated_rows import ListedLogs, fit_temperature
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import PredictListed
from windrow.tasks.algorithms.labels.many_classes.listed_rows import joined
from windrow.tasks.algorithms.labels.many_classes.smoothed_rows import smooth_listed
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

TOLERANCE = 1e-2


def choose_listed_strength(
    start: PredictListed,
    graph: NeighborGraph,
    labels: Int64Array,
    n_classes: int,
    gamma: float = 3.0,
    n_folds: int = 5,
    seed: int = 0,
) -> float:
    """Return which of STRENGTHS makes labels (n,) most likely by what others say of them: see `choose_strength`."""
    rows = labelled_rows(labels, n_classes)
    if np.bincount(labels[rows], minlength=n_classes).max() < 2:
        return USUAL
    folds = assign_folds(labels, n_folds, seed)
    judged = range(1 if len(rows) >= MANY else n_folds)
    apart: dict[float, list[SparseProbabilities]] = {strength: [] for strength in STRENGTHS}
    for fold in judged:
        left_out = np.flatnonzero(folds == fold)
        said = start(np.where(folds == fold, -1, labels), np.arange(len(labels)))
        for strength, parts in apart.items():
            parts.append(smooth_listed(graph, said, strength, gamma, TOLERANCE).take(left_out))
    known = np.concatenate([labels[folds == fold] for fold in judged])
    return min(STRENGTHS, key=lambda strength: _cost(apart[strength], known, strength))


def _cost(parts: list[SparseProbabilities], labels: Int64Array, strength: float) -> float:
    held_out = joined(parts, max(part.classes.shape[1] for part in parts), parts[0].n_classes)
    power = 1.0 / fit_temperature(held_out, labels)
    found = ListedLogs.of(held_out)
    total = ListedLogs(found.logs * power, found.rest * power, found.n_left).total()
    sure = np.maximum(found.of_labels(held_out, labels) * power - total, np.log(1e-7))
    findable = np.bincount(labels)[labels] > 1
    return float(0.5 * (np.log(strength / USUAL) / DEVIATION) ** 2 - sure[findable].sum())
