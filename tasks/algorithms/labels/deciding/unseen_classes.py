"""Labels that no training sample has: what the nearest known classes say of them."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array, wide_blocks
from windrow.tasks.algorithms.labels.deciding.label_metric import LabelMetric
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, dense_rows


def widened(probabilities: Probabilities, n_labels: int) -> Probabilities:
    """Return probabilities (n, n_classes) with columns of 0 for the labels from n_classes to n_labels - 1."""
    n_more = n_labels - probabilities.shape[1]
    return np.pad(dense_rows(probabilities), ((0, 0), (0, n_more))) if n_more else probabilities


def confidence_of(probabilities: Probabilities, label: Int64Array, metric: LabelMetric) -> Float32Array:
    """Return the confidence float32 (n,) of label (n,), by probabilities (n, n_classes) of the first labels of metric.

    Of a class its probability. A label that no training sample has is given none by any maker: its confidence is the
    probability of the known classes that are nearest to it, all that are equally near. Of a class above others in a
    tree, with distances in steps, that is the probability of those below it.
    """
    n_classes = probabilities.shape[1]
    to_known = metric.distances[:, :n_classes]
    nearest = to_known == to_known.min(axis=1, keepdims=True)
    nearest[:n_classes] = np.eye(n_classes, dtype=np.bool_)
    sure = np.empty(len(label), np.float32)
    for rows in wide_blocks(len(label), n_classes):
        total = np.where(nearest[label[rows]], dense_rows(probabilities, rows).astype(np.float64), 0.0).sum(axis=1)
        sure[rows] = np.minimum(total, 1.0)
    return sure
