"""Vector scaling: a temperature and a bias for each class, held near one temperature for all while labels are few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.combining.calibration import (
    check_labels,
    fit_temperature,
    label_weights,
    log_probabilities,
    log_softmax,
)

SMALLEST_RELATIVE_SCALE = 0.05


@dataclass(frozen=True)
class VectorScaling:
    """softmax(scale * log(probabilities) + bias); both float64 (n_classes,), scale positive."""

    scale: Float64Array
    bias: Float64Array

    def __post_init__(self) -> None:
        if self.scale.ndim != 1 or self.scale.shape != self.bias.shape or not (self.scale > 0).all():
            raise ValueError(f"scale (positive) and bias must be (n_classes,), got {self.scale} and {self.bias}")


def apply_vector_scaling(probabilities: Float32Array, scaling: VectorScaling) -> Float32Array:
    """Probabilities (n, n_classes) rescaled, rows summing to 1; unlike a temperature, it can change their order.

    Guo et al. 2017, On calibration of modern neural networks, section 4.2, with log-probabilities for logits. A
    probability of 0 counts as 1e-7.
    """
    if probabilities.ndim != 2 or probabilities.shape[1] != len(scaling.scale):
        raise ValueError(f"probabilities must have {len(scaling.scale)} columns, got shape {probabilities.shape}")
    return np.exp(log_softmax(log_probabilities(probabilities) * scaling.scale + scaling.bias)).astype(np.float32)


def fit_vector_scaling(
    probabilities: Float32Array,
    labels: Int64Array,
    scale_deviation: float = 0.1,
    bias_deviation: float = 1.0,
    class_weights: Float64Array | None = None,
) -> VectorScaling:
    """The scales and biases that make out-of-sample probabilities (n, n_classes) fit labels (n,) best.

    First the one temperature T of `fit_temperature`, then the minimum of the sum of -log likelihood, plus
    (scale T - 1)^2 / (2 scale_deviation^2) and bias^2 / (2 bias_deviation^2) summed over classes: normal priors that
    weigh about as much as a label or two a class. It tends to temperature scaling as the deviations tend to 0, and with
    no labels changes nothing. Convex, from a fixed start: no seed. Rows labelled -1 are left out. class_weights: see
    `fit_temperature`. No relative scale (scale T) gets below 0.05.
    """
    check_labels(probabilities, labels)
    for name, deviation in (("scale_deviation", scale_deviation), ("bias_deviation", bias_deviation)):
        if not deviation > 0:
            raise ValueError(f"{name} must be positive, got {deviation}")
    temperature = fit_temperature(probabilities, labels, class_weights=class_weights)
    rows = np.flatnonzero(labels >= 0)
    n_classes = probabilities.shape[1]
    logs = log_probabilities(probabilities[rows]) / temperature
    weights = label_weights(labels[rows], class_weights, n_classes)
    precision = np.repeat([scale_deviation**-2, bias_deviation**-2], n_classes)
    relative, bias = _minimise(logs, labels[rows], weights, precision)
    return VectorScaling(relative / temperature, bias)


def _minimise(
    logs: Float64Array, targets: Int64Array, weights: Float64Array, precision: Float64Array
) -> tuple[Float64Array, Float64Array]:
    n_classes = logs.shape[1]
    one_hot = (targets[:, None] == np.arange(n_classes)).astype(np.float64)
    prior_mean = np.repeat([1.0, 0.0], n_classes)

    def objective(flat: Float64Array) -> tuple[float, Float64Array]:
        scores = log_softmax(logs * flat[:n_classes] + flat[n_classes:])
        residual = (np.exp(scores) - one_hot) * weights[:, None]
        gradient = np.concatenate([(residual * logs).sum(axis=0), residual.sum(axis=0)])
        away = flat - prior_mean
        loss = -(weights * (scores * one_hot).sum(axis=1)).sum() + 0.5 * (precision * away**2).sum()
        return float(loss), gradient + precision * away

    bounds = [(SMALLEST_RELATIVE_SCALE, None)] * n_classes + [(None, None)] * n_classes
    options = {"maxiter": 1000, "gtol": 1e-7, "ftol": 1e-13}
    found = minimize(objective, prior_mean, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    flat = np.asarray(found.x, dtype=np.float64)
    return flat[:n_classes], flat[n_classes:]
