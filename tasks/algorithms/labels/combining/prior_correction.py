"""Confidence that is honest when labels were given class by class and the pool is not even: the recipe, in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.combining.label_shift import em_prior, shift_prior
from windrow.tasks.algorithms.labels.combining.shares_trust import shares_trust
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


def correct_prior(
    held_out: Float32Array, labels: Int64Array, pool: Float32Array, temperature: float = 1.0
) -> CorrectedProbabilities:
    """Calibrate probabilities pool (n, n_classes) of a maker that treats classes alike, and shift them to their shares.

    labels int64 (n,), -1 where there is none; held_out (n_labelled, n_classes) are the labelled rows' out-of-sample
    probabilities, in their order (cross_fit). Three steps. Vector scaling, every class's labels together weighing the
    same: without its biases the next step takes a confused class for a rare one. EM for the shares of the unlabelled
    rows, from equal ones (what Alexandari et al. 2020 found best after a calibration with biases). And, as few labels
    calibrate badly, a mean of EM's shares and equal ones, in which EM's weigh `shares_trust`. The answer is softened by
    the temperature (`cautious_temperature`); the shares are estimated without it. A class without labels gets share 0.
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
    prior = equal = np.asarray((counts > 0) / np.count_nonzero(counts))
    if (labels < 0).any():
        estimate = em_prior(even[labels < 0], equal)
        trust = shares_trust(estimate, equal, held_out, labels[rows], pool[labels < 0], balance)
        prior = np.asarray(equal + trust * (estimate - equal))
    if temperature != 1:
        scaling = VectorScaling(scaling.scale / temperature, scaling.bias / temperature)
        even = apply_vector_scaling(pool, scaling)
    return CorrectedProbabilities(even, shift_prior(even, equal, prior), prior, scaling)
