"""What makers say of many classes: of each sample the most probable, a block of samples at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from windrow.tasks.algorithms.arrays import Int64Array, wide_blocks
from windrow.tasks.algorithms.labels.folds import assign_folds, labelled_rows
from windrow.tasks.algorithms.labels.many_classes.listed_rows import joined, most_probable
from windrow.tasks.algorithms.labels.probabilities import Fitted, Rows
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

# labels (n,) and the rows (m,) wanted -> their most probable classes
PredictListed = Callable[[Int64Array, Int64Array], SparseProbabilities]


def predict_listed(
    fitted: Fitted, embeddings: Rows, rows: Int64Array | None = None, k: int = 64
) -> SparseProbabilities:
    """The k classes that a classifier finds most probable for these rows of embeddings (n, d), or for all."""
    wanted = np.arange(len(embeddings), dtype=np.int64) if rows is None else rows
    blocks = wide_blocks(len(wanted), fitted.n_classes)
    said = [most_probable(fitted.predict_proba(embeddings[wanted[block]]), k) for block in blocks]
    return joined(said, min(k, fitted.n_classes), fitted.n_classes)


def cross_fit_listed(
    predict: PredictListed, labels: Int64Array, n_classes: int, n_folds: int = 5, seed: int = 0
) -> SparseProbabilities:
    """What `cross_fit` gives, of predictions that list their most probable classes: a row for each label."""
    rows = labelled_rows(labels, n_classes)
    if n_folds < 2:
        raise ValueError(f"n_folds must be at least 2, got {n_folds}")
    if len(rows) < 2:
        raise ValueError("labels must hold at least two labels to leave one out")
    folds = assign_folds(labels, n_folds, seed)
    parts, places = [], []
    for fold in np.unique(folds[rows]):
        left_out = folds == fold
        parts.append(predict(np.where(left_out, -1, labels), np.flatnonzero(left_out)))
        places.append(np.flatnonzero(left_out[rows]))
    said = joined(parts, max(part.classes.shape[1] for part in parts), n_classes)
    return said.take(np.argsort(np.concatenate(places), kind="stable"))
