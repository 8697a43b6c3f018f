"""Temperature scaling: confidence that means what it says."""

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Float64Array, Int64Array, row_maxima
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities

SMALLEST_TEMPERATURE = 0.05
LARGEST_TEMPERATURE = 20.0


def apply_temperature(probabilities: Float32Array, temperature: float) -> Float32Array:
    """softmax(log(probabilities) / temperature), rows (n, n_classes) summing to 1; 1 changes nothing.

    Guo et al. 2017, On calibration of modern neural networks, equation 9, with log-probabilities for logits. Towards 0
    the largest probability takes all, towards infinity all become equal. A probability of 0 counts as 1e-7, so that a
    maker that was sure and wrong can be made less sure. The order of a row's classes stays.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    return np.exp(log_softmax(log_probabilities(probabilities) / temperature)).astype(np.float32)


def fit_temperature(
    probabilities: Float32Array,
    labels: Int64Array,
    prior_deviation: float = 1.0,
    class_weights: Float64Array | None = None,
) -> float:
    """The temperature, from 0.05 to 20, that makes out-of-sample probabilities (n, n_classes) fit labels (n,) best.

    Minimises the sum of -log softmax(log p / T)[label] (Guo et al. 2017, section 4.2) plus a normal prior on log T,
    mean 0 and this deviation, which weighs about as much as one or two labels: with few it holds T near 1, with
    hundreds it is not felt. Rows labelled -1 are left out; with none left, 1. class_weights (n_classes,): what a
    label of each class counts, for labels that are not drawn as the pool is (label_weights).
    """
    from scipy.optimize import minimize_scalar

    check_labels(probabilities, labels)
    if not prior_deviation > 0:
        raise ValueError(f"prior_deviation must be positive, got {prior_deviation}")
    rows = np.flatnonzero(labels >= 0)
    logs = log_probabilities(probabilities[rows])
    targets = labels[rows]
    weights = label_weights(targets, class_weights, probabilities.shape[1])

    def cost(log_temperature: float) -> float:
        likelihoods = log_softmax(logs / np.exp(log_temperature))[np.arange(len(rows)), targets]
        return float(0.5 * (log_temperature / prior_deviation) ** 2 - (weights * likelihoods).sum())

    bounds = (np.log(SMALLEST_TEMPERATURE), np.log(LARGEST_TEMPERATURE))
    return float(np.exp(minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))


def label_weights(targets: Int64Array, class_weights: Float64Array | None, n_classes: int) -> Float64Array:
    """What each label counts (m,): its class's weight, scaled so that the weights sum to (sum w)^2 / sum w^2.

    That is their effective number (Kish 1965, section 11.7): a few heavy labels say as little as a few labels. 1 each
    without class_weights, and where all weights are 0.
    """
    if class_weights is None:
        return np.ones(len(targets))
    if class_weights.shape != (n_classes,) or not (class_weights >= 0).all():
        raise ValueError(f"class_weights must be {n_classes} numbers from 0, got {class_weights.tolist()}")
    weights = class_weights[targets].astype(np.float64)
    squared = float((weights**2).sum())
    return np.asarray(weights * (weights.sum() / squared)) if squared > 0 else np.ones(len(targets))


def expected_calibration_error(confidence: Float32Array, correct: BoolArray, n_bins: int = 15) -> float:
    """Mean gap between confidence (n,), 0 to 1, and accuracy over equal-width bins, each weighted by its samples.

    Guo et al. 2017, equation 3; bin m holds ((m - 1) / n_bins, m / n_bins]. nan without samples.
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be positive, got {n_bins}")
    if not len(confidence):
        return float("nan")
    sure = confidence.astype(np.float64)
    bins = np.clip(np.ceil(sure * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    # The gap of a bin times its share of the samples is |sum of (correct - confidence)| / n.
    return float(np.abs(np.bincount(bins, weights=correct - sure)).sum() / len(sure))


def check_labels(probabilities: Probabilities, labels: Int64Array) -> None:
    """Raise ValueError unless there is a label, -1 to n_classes - 1, for each row of probabilities (n, n_classes)."""
    if len(probabilities.shape) != 2 or labels.shape != probabilities.shape[:1]:
        raise ValueError(
            f"probabilities must be (n, n_classes) and labels (n,), got {probabilities.shape} and {labels.shape}"
        )
    if len(labels) and not -1 <= labels.min() <= labels.max() < probabilities.shape[1]:
        raise ValueError(
            f"labels must be from -1 to {probabilities.shape[1] - 1}, got {labels.min()} to {labels.max()}"
        )


def log_probabilities(probabilities: Float32Array) -> Float64Array:
    """Natural logarithms, of 1e-7 where a probability is below it."""
    return np.log(np.maximum(probabilities.astype(np.float64), SMALLEST_PROBABILITY))


def log_softmax(scores: Float64Array) -> Float64Array:
    """Logarithms of each row's softmax, without overflow."""
    shifted = scores - row_maxima(scores)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
