"""A temperature for all that was fitted on the labels it is to be honest about: how much less sure to be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.combining.calibration import (
    apply_temperature,
    fit_temperature,
    label_weights,
    log_probabilities,
    log_softmax,
)
from windrow.tasks.algorithms.labels.combining.combination import CombineBy, combine_makers
from windrow.tasks.algorithms.labels.combining.vector_scaling import apply_vector_scaling, fit_vector_scaling
from windrow.tasks.algorithms.labels.folds import assign_folds

DEVIATION = 0.5
"""Of the temperature's logarithm, before a label is seen."""
CAUTION = 0.5
"""Deviations above the mean of what the labels allow: docs/evidence/calibration.md"""
MANY = 2000
"""Labels from which on the parameters that were fitted on them are not felt."""
LOGARITHMS = np.linspace(-1.5, 2.5, 161)


def cautious_temperature(
    held_out: Mapping[str, Float32Array], targets: Int64Array, n_classes: int, by: CombineBy = "weighted", seed: int = 0
) -> float:
    """Return the temperature that the makers' calibrated answer still wants, a little more while labels are few.

    held_out: each maker's raw probabilities (m, n_classes) of the labels targets (m,) by the labels of others. Maker
    temperatures, maker weights and the calibration by class are fitted on these labels, a dozen numbers on perhaps
    forty of them, and look better there than on the pool. So they are fitted once more without each fifth of the
    labels, and what they say of it is honest (`honest_predictions`). Of the temperature that these want the logarithm
    has a posterior: labels of all classes weigh the same, its prior is normal. The mean plus CAUTION deviations of that
    is returned: many labels leave no deviation, few err on the side of abstaining. 1 with MANY labels, and where no
    class has two.
    """
    counts = np.bincount(targets, minlength=n_classes)
    if len(targets) >= MANY or counts.max(initial=0) < 2:
        return 1.0
    honest = honest_predictions(held_out, targets, n_classes, by, seed)
    findable = counts[targets] > 1
    weights = label_weights(targets, _balance(counts), n_classes)
    logs = log_probabilities(honest[findable])
    rows = np.arange(len(logs))
    likelihood = np.array(
        [(weights[findable] * log_softmax(logs / np.exp(log))[rows, targets[findable]]).sum() for log in LOGARITHMS]
    )
    posterior = likelihood - 0.5 * (LOGARITHMS / DEVIATION) ** 2
    shares = np.exp(posterior - posterior.max())
    shares /= shares.sum()
    mean = float((shares * LOGARITHMS).sum())
    deviation = float(np.sqrt((shares * (LOGARITHMS - mean) ** 2).sum()))
    return float(np.exp(mean + CAUTION * deviation))


def honest_predictions(
    held_out: Mapping[str, Float32Array], targets: Int64Array, n_classes: int, by: CombineBy = "weighted", seed: int = 0
) -> Float32Array:
    """Return what all makers say together of each label (m, n_classes), by nothing that was fitted on it.

    The folds are dealt in an order of the rows' content: permuting them permutes the answer.
    """
    order = np.lexsort((*(_content(each) for each in held_out.values()), targets))
    folds = np.empty(len(targets), np.int64)
    folds[order] = assign_folds(targets[order], 5, seed)
    said = np.empty((len(targets), n_classes), np.float32)
    for fold in np.unique(folds):
        left_out = folds == fold
        rest = np.where(left_out, -1, targets)
        temperatures = {name: fit_temperature(each, rest) for name, each in held_out.items()}
        sure = {name: apply_temperature(each, temperatures[name]) for name, each in held_out.items()}
        kept = {name: each[~left_out] for name, each in sure.items()}
        together = combine_makers(kept, sure, rest, by, seed=seed)
        balance = _balance(np.bincount(rest[~left_out], minlength=n_classes))
        scaling = fit_vector_scaling(together.held_out, rest[~left_out], class_weights=balance)
        said[left_out] = apply_vector_scaling(together.pool[left_out], scaling)
    return said


def _balance(counts: Int64Array) -> Float64Array:
    return np.divide(1.0, counts, out=np.zeros(len(counts)), where=counts > 0)


def _content(probabilities: Float32Array) -> Float64Array:
    return np.asarray((probabilities * np.sqrt(2.0 + np.arange(probabilities.shape[1]))).sum(axis=1))
