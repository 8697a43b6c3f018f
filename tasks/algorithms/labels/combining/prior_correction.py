"""Confidence that is honest when labels were given class by class and the pool is not even: the recipe, in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.combining.label_shift import confusion_matrix, em_prior, shift_prior
from windrow.tasks.algorithms.labels.combining.vector_scaling import (
    VectorScaling,
    apply_vector_scaling,
    fit_vector_scaling,
)
from windrow.tasks.algorithms.labels.folds import labelled_rows
from windrow.tasks.algorithms.labels.pool_statistics import check_rows


@dataclass(frozen=True)
class CorrectedProbabilities:
    """Probabilities of the pool under two assumptions about its classes' shares.

    even: float32 (n, n_classes), as if all classes were equally large: its argmax is the label that serves rare
    classes best (macro recall). pool: the same under the estimated shares prior (n_classes,): how often a label is
    right (confidence, accuracy). `decide(pool, config, even.argmax(axis=1))` gives the one with the other.
    """

    even: Float32Array
    pool: Float32Array
    prior: Float64Array
    scaling: VectorScaling


def correct_prior(held_out: Float32Array, labels: Int64Array, pool: Float32Array) -> CorrectedProbabilities:
    """Calibrate probabilities pool (n, n_classes) of a maker that treats classes alike, and shift them to their shares.

    labels int64 (n,), -1 where there is none; held_out (n_labelled, n_classes) are the labelled rows' out-of-sample
    probabilities, in their order (cross_fit). Three steps. Vector scaling, every class's labels together weighing the
    same: without its biases the next step takes a confused class for a rare one. EM for the shares of the unlabelled
    rows, from equal ones (what Alexandari et al. 2020 found best after a calibration with biases). And, as few labels
    calibrate badly, a mean of EM's shares and equal ones: with D the squared distance between the two and V
    `shares_variance`, EM's weigh D / (D + V). A class without labels gets share 0.
    """
    check_rows("pool", pool)
    n_classes = pool.shape[1]
    rows = labelled_rows(labels, n_classes)
    if len(labels) != len(pool) or held_out.shape != (len(rows), n_classes):
        raise ValueError(
            f"held_out must be ({len(rows)}, {n_classes}), a row for each label of a pool of {len(labels)}, "
            f"got {held_out.shape} and a pool of {len(pool)}"
        )
    counts = np.bincount(labels[rows], minlength=n_classes)
    balance = np.divide(1.0, counts, out=np.zeros(n_classes), where=counts > 0)
    scaling = fit_vector_scaling(held_out, labels[rows], class_weights=balance)
    even = apply_vector_scaling(pool, scaling)
    equal = (counts > 0) / np.count_nonzero(counts)
    variance = shares_variance(apply_vector_scaling(held_out, scaling), labels[rows])
    prior = _shares(even[labels < 0], equal, variance)
    return CorrectedProbabilities(even, shift_prior(even, equal, prior), prior, scaling)


def shares_variance(held_out: Float32Array, labels: Int64Array) -> float:
    """The summed variance of a pool's estimated shares that comes of estimating the confusion of classes from labels.

    For shares M^-1 times the mean prediction, M the confusion matrix, near equal shares q: to first order, the trace of
    M^-1 (sum over classes of q_c^2 S_c / n_c) M^-T, with S_c the covariance of the n_c predictions (m, n_classes) of
    class c. EM from calibrated probabilities gives the same to first order. A class with one label has the covariance
    of a draw from that prediction. When M is close to singular, it is huge, as it should be.
    """
    known, counts = np.unique(labels[labels >= 0], return_counts=True)
    matrix = confusion_matrix(held_out, labels)[:, known]
    spread = np.zeros((len(matrix), len(matrix)))
    for label, count, mean in zip(known, counts, matrix.T, strict=True):
        away = held_out[labels == label] - mean
        covariance = away.T @ away / (count - 1) if count > 1 else np.diag(mean) - np.outer(mean, mean)
        spread += covariance / count / len(known) ** 2
    inverse = np.linalg.pinv(matrix)
    return max(float(np.trace(inverse @ spread @ inverse.T)), 0.0)


def _shares(unlabelled: Float32Array, equal: Float64Array, variance: float) -> Float64Array:
    if not len(unlabelled):
        return equal
    estimate = em_prior(unlabelled, equal)
    distance = float(((estimate - equal) ** 2).sum())
    trust = distance / (distance + variance) if distance > 0 else 0.0
    return np.asarray(equal + trust * (estimate - equal))
