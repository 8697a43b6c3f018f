"""Multinomial logistic regression on frozen embeddings, the linear probe."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import (
    Float32Array,
    Float64Array,
    Int64Array,
    check_embeddings,
    row_blocks,
    row_maxima,
    unit_rows,
)
from windrow.tasks.algorithms.labels.cores.logistic_objective import HeldRows, minimise_logistic, unit_float32
from windrow.tasks.algorithms.labels.folds import check_pool, labelled_rows
from windrow.tasks.algorithms.labels.probabilities import predict_rows


@dataclass(frozen=True)
class LogisticProbe:
    """A fitted probe: softmax((x / |x|) weights + bias) over the classes that had labels.

    classes: int64 (c,) ascending; weights: float64 (d, c); bias: float64 (c,).
    """

    classes: Int64Array
    n_classes: int
    weights: Float64Array
    bias: Float64Array

    def predict_proba(self, embeddings: npt.NDArray[Any]) -> Float32Array:
        """Probabilities (m, n_classes) of embeddings (m, d), 0 for classes without labels, the same for any m."""
        return self.of_units(unit_rows(embeddings)[0])

    def of_units(self, units: Float64Array) -> Float32Array:
        """The same of the rows that `unit_rows` makes of embeddings: several probes need them made but once."""
        columns, lengths = unit_rows(self.weights.T)
        logits = (units @ columns.T) * lengths + self.bias
        probabilities = np.zeros((len(units), self.n_classes), dtype=np.float32)
        probabilities[:, self.classes] = _softmax(logits)
        return probabilities


def logistic_probe(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    l2: float | None = None,
    class_balanced: bool = True,
    rows: Int64Array | None = None,
) -> Float32Array:
    """Probabilities (n, n_classes) of the pool, or of these rows of it, by fit_logistic_probe's probe."""
    probe = fit_logistic_probe(embeddings, labels, n_classes, l2, class_balanced)
    return predict_rows(probe, embeddings, rows)


def fit_logistic_probe(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    l2: float | None = None,
    class_balanced: bool = True,
) -> LogisticProbe:
    """The weights that minimise mean cross-entropy + l2 / 2 ||weights||^2 over the labelled rows; the bias is free.

    Embeddings are L2-normalised, so that l2 means the same for every dim. l2 None: 1 over the number of labels, which
    weighs the penalty as one label. class_balanced gives every class with labels the same total weight. The objective
    is convex and starts from 0: no seed. With one class only, it has probability 1. Memory: the labelled rows as
    float32, 4 n d bytes, and 24 d^2 (see minimise_logistic; fit_streaming_probe holds no rows).
    """
    check_embeddings("embeddings", embeddings)
    check_pool(embeddings, labels)
    labelled = labelled_rows(labels, n_classes)
    penalty = 1 / len(labelled) if l2 is None else l2
    if not penalty > 0:
        raise ValueError(f"l2 must be positive, got {l2}")
    classes, targets, counts = np.unique(labels[labelled], return_inverse=True, return_counts=True)
    sample_weights = (
        1.0 / (len(classes) * counts[targets]) if class_balanced else np.full(len(labelled), 1 / len(labelled))
    )
    features = np.empty((len(labelled), embeddings.shape[1]), dtype=np.float32)
    for block in row_blocks(len(labelled)):
        features[block] = unit_float32(embeddings[labelled[block]])
    shape = (features.shape[1] + 1, len(classes))
    held = HeldRows(features, targets, sample_weights)
    table = minimise_logistic(held, shape, penalty, shaped=4 * len(labelled) > features.shape[1])
    return LogisticProbe(classes, n_classes, table[:-1], table[-1])


def _softmax(logits: Float64Array) -> Float64Array:
    powers = np.exp(logits - row_maxima(logits))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
