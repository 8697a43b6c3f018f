"""How sure is sure enough, from one pass over the pool's confidences: thresholds by class, or a weight by sample."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array
from windrow.tasks.algorithms.labels.pool_statistics import mean_prediction, pool_mean


def class_wise_thresholds(probabilities: Float32Array, threshold: float, floor: float) -> Float64Array:
    """A threshold (n_classes,) for each class, lower where fewer of the pool's predictions are confident.

    Zhang et al. 2021, FlexMatch, equations 5 to 7 and the convex mapping of section 3.3: threshold * b / (2 - b), with
    b the class's number of predictions of confidence >= threshold divided by the largest such number. One pass over the
    pool: FlexMatch's warm-up, which lowers every threshold while little is confident, would here accept guesses. b is 0
    for a class without a confident prediction, hence `floor`. Without any confident prediction all keep `threshold`.
    """
    n_classes = probabilities.shape[1]
    confident = probabilities.max(axis=1, initial=0.0) >= np.float32(threshold)
    learned = np.bincount(probabilities.argmax(axis=1)[confident], minlength=n_classes)
    if not learned.any():
        return np.full(n_classes, threshold)
    status = learned / learned.max()
    thresholds: Float64Array = np.maximum(threshold * status / (2.0 - status), floor)
    return thresholds


def self_adaptive_thresholds(probabilities: Float32Array, floor: float = 0.0) -> Float64Array:
    """A threshold (n_classes,) for each class: the pool's mean confidence, times the class's share of probability.

    Wang et al. 2023, FreeMatch, equations 5 to 7: mean confidence * mean probability of the class / the largest of
    these, with the pool's means for moving averages over batches: what the averages settle at while the model stands
    still. `floor` is the lowest that a threshold can get: in a long-tailed pool a rare class's factor is near 0, and
    would accept any guess of it. Without rows all are `floor`.
    """
    n_classes = probabilities.shape[1]
    if not len(probabilities):
        return np.full(n_classes, floor)
    overall = pool_mean(len(probabilities), lambda rows: probabilities[rows].max(axis=1))
    local = mean_prediction(probabilities)
    thresholds: Float64Array = np.maximum(overall * (local / local.max()), floor)
    return thresholds


def soft_weights(confidence: Float32Array, spread: float = 0.5) -> Float32Array:
    """A weight (n,) for each sample by its confidence (n,): 1 from the pool's mean up, a Gaussian's flank below it.

    Chen et al. 2023, SoftMatch, equation 7: exp(-(confidence - mean)^2 / (2 (spread deviation)^2)) below the mean, with
    the pool's mean and (population) variance for the moving averages. spread 1 is the formula of the paper; 0.5 is what
    its published settings amount to (the variance divided by 2^2). Nothing is abstained from; where all confidences are
    equal, all weights are 1.
    """
    if confidence.ndim != 1:
        raise ValueError(f"confidence must have shape (n,), got {confidence.shape}")
    if not spread > 0:
        raise ValueError(f"spread must be positive, got {spread}")
    if not len(confidence):
        return np.empty(0, dtype=np.float32)
    mean = pool_mean(len(confidence), lambda rows: confidence[rows])
    variance = pool_mean(len(confidence), lambda rows: (confidence[rows] - mean) ** 2)
    below = np.minimum(confidence - mean, 0.0)
    width = 2.0 * spread**2 * float(variance)
    exponent = np.divide(below**2, width, out=np.zeros(len(confidence)), where=width > 0)
    return np.asarray(np.exp(-exponent), dtype=np.float32)
