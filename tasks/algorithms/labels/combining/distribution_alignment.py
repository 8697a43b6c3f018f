"""Probabilities whose mean over the pool is a wanted distribution over classes."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array
from windrow.tasks.algorithms.labels.combining.label_shift import reweighted_mean
from windrow.tasks.algorithms.labels.pool_statistics import check_distribution, check_rows, mean_prediction

SMALLEST_MEAN = 1e-12


def alignment_factors(
    probabilities: Float32Array, target: Float64Array | None = None, tolerance: float = 1e-4, max_iterations: int = 200
) -> Float64Array:
    """The factor (n_classes,) of each class that makes the mean of `reweight` target; the largest 1, ones without rows.

    probabilities: (n, n_classes); target: (n_classes,), uniform if None. One step, p target / mean with rows
    normalised, is the distribution alignment of Berthelot et al. 2020, ReMixMatch, section 3.1 (max_iterations 1). Its
    mean is not target yet, so it is repeated: this is Sinkhorn's scaling with row sums 1 and column sums n target, and
    where probabilities are positive it converges to the one matrix of the form p_ij f_j / (sum over j) that has them,
    whatever was first. Stops when no class's mean is off by `tolerance`. Where zeros stand in the way (a class that no
    row gives enough), it ends as near as max_iterations steps get. A target given or estimated belongs here; for
    probabilities that are calibrated, shift_prior needs no iteration.
    """
    check_rows("probabilities", probabilities)
    n_classes = probabilities.shape[1]
    wanted = np.full(n_classes, 1.0 / n_classes) if target is None else target.astype(np.float64)
    check_distribution("target", wanted, n_classes)
    if not tolerance > 0 or max_iterations < 1:
        raise ValueError(f"tolerance must be positive and max_iterations from 1, got {tolerance} and {max_iterations}")
    factor = np.ones(n_classes)
    if not len(probabilities):
        return factor
    mean = mean_prediction(probabilities)
    for _ in range(max_iterations):
        if np.abs(mean - wanted).max() < tolerance:
            break
        factor = factor * wanted / np.maximum(mean, SMALLEST_MEAN)
        # Only ratios count; without this, factors of a class that cannot reach its share would overflow.
        factor /= factor.max()
        mean = reweighted_mean(probabilities, factor)
    return factor
