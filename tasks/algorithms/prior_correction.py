"""Confidence that is honest when labels were given class by class and the pool is not even: the recipe, in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.label_makers import labelled_rows
from windrow.tasks.algorithms.label_shift import em_prior, shift_prior
from windrow.tasks.algorithms.neighbors import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.pool_statistics import check_rows
from windrow.tasks.algorithms.vector_scaling import VectorScaling, apply_vector_scaling, fit_vector_scaling


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


def correct_prior(
    held_out: Float32Array, labels: Int64Array, pool: Float32Array, labels_per_class: float = 4.0
) -> CorrectedProbabilities:
    """Calibrate probabilities pool (n, n_classes) of a maker that treats classes alike, and shift them to their shares.

    labels int64 (n,), -1 where there is none; held_out (n_labelled, n_classes) are the labelled rows' out-of-sample
    probabilities, in their order (cross_fit). Three steps. Vector scaling, every class's labels together weighing the
    same: without its biases the next step takes a confused class for a rare one. EM for the shares of the unlabelled
    rows, from equal ones (what Alexandari et al. 2020 found best after a calibration with biases). And, as few labels
    cannot calibrate well, a mean of EM's shares and equal ones, weighing as the number of labels does against
    labels_per_class for each class that has labels; classes without get share 0.

    Measured (5,000 CIFAR-10 images, frozen MobileNetV2, 3 seeds): of labels given at a confidence of 0.8 or more in a
    pool with imbalance 100, 56, 66 and 84 % were right with temperature scaling and 4, 10 and 100 labels a class
    (covering 6, 5 and 19 % of the pool), and so 84, 92 and 95 % (covering 11, 23 and 47 %). In an even pool 4 labels a
    class make it worse, 79 to 74 %; with 10 or more it costs nothing.
    """
    check_rows("pool", pool)
    n_classes = pool.shape[1]
    rows = labelled_rows(labels, n_classes)
    if len(labels) != len(pool) or held_out.shape != (len(rows), n_classes):
        raise ValueError(
            f"held_out must be ({len(rows)}, {n_classes}), a row for each label of a pool of {len(labels)}, "
            f"got {held_out.shape} and a pool of {len(pool)}"
        )
    if not labels_per_class >= 0:
        raise ValueError(f"labels_per_class must be from 0, got {labels_per_class}")
    counts = np.bincount(labels[rows], minlength=n_classes)
    balance = np.divide(1.0, counts, out=np.zeros(n_classes), where=counts > 0)
    scaling = fit_vector_scaling(held_out, labels[rows], class_weights=balance)
    even = apply_vector_scaling(pool, scaling)
    equal = (counts > 0) / np.count_nonzero(counts)
    prior = _shares(even[labels < 0], equal, len(rows), labels_per_class * np.count_nonzero(counts))
    return CorrectedProbabilities(even, shift_prior(even, equal, prior), prior, scaling)


def _shares(unlabelled: Float32Array, equal: Float64Array, n_labels: int, against: float) -> Float64Array:
    if not len(unlabelled):
        return equal
    estimate = em_prior(unlabelled, equal)
    return np.asarray((n_labels * estimate + against * equal) / (n_labels + against))
