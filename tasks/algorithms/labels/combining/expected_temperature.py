"""The temperature at which a pool is as sure as its makers' agreement with themselves says that they are right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.combining.calibration import log_probabilities, log_softmax
from windrow.tasks.algorithms.labels.combining.vector_scaling import apply_vector_scaling, fit_vector_scaling

LEFT = 0.75
"""Of the errors of makers that learn from half of the labels, what all labels and all makers together leave:
docs/evidence/calibration.md"""
MOST_ROWS = 1000
FURTHEST = 1.0
"""The largest logarithm of a temperature, either way, that agreement may speak for."""
N_STEPS = 24


def expected_accuracy(agreements: Sequence[float | None], weights: Sequence[float], n_labels: int) -> float | None:
    """Return how often makers of these weights (n_makers,) together should be right, 0 to 1.

    agreements: of each maker how often two copies that learnt from half of the labels agree (`halves_agreement`), which
    is about how often either is right; None where one was not asked, and then there is no answer. Copies may be wrong
    alike: no more is expected than of makers that are right about all of n_labels (Laplace's rule of succession).
    """
    if any(share is None for share in agreements):
        return None
    mean = sum(weight * (share or 0.0) for weight, share in zip(weights, agreements, strict=True)) / sum(weights)
    return min(1.0 - LEFT * (1.0 - mean), (n_labels + 1) / (n_labels + 2))


def expected_temperature(held_out: Float32Array, labels: Int64Array, pool: Float32Array, accuracy: float) -> float:
    """Return the temperature at which the mean confidence of the samples without a label is this accuracy.

    held_out (m, n_classes), labels int64 (n,), pool (n, n_classes): what makers say together, as `correct_prior` takes
    them, which calibrates them class by class first, as is done here. From exp(-FURTHEST) to exp(FURTHEST); MOST_ROWS
    samples are looked at, from the least sure to the surest, and the mean falls with the temperature: bisection.
    """
    known, unlabelled = labels[labels >= 0], np.flatnonzero(labels < 0)
    counts = np.bincount(known, minlength=pool.shape[1])
    balance = np.divide(1.0, counts, out=np.zeros(len(counts)), where=counts > 0)
    scaling = fit_vector_scaling(held_out, known, class_weights=balance)
    # By how sure makers are of them: so permuting the pool changes nothing, and few rows stand for all.
    unlabelled = unlabelled[np.argsort(pool[unlabelled].max(axis=1), kind="stable")]
    rows = unlabelled[:: max(1, -(-len(unlabelled) // MOST_ROWS))]
    return _at_confidence(log_probabilities(apply_vector_scaling(pool[rows], scaling)), accuracy)


def _at_confidence(logs: Float64Array, confidence: float) -> float:
    low, high = -FURTHEST, FURTHEST
    for _ in range(N_STEPS):
        middle = (low + high) / 2
        surest = np.exp(log_softmax(logs / np.exp(middle)).max(axis=1))
        low, high = (middle, high) if surest.mean() > confidence else (low, middle)
    return float(np.exp((low + high) / 2))
