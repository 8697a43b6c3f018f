"""Temperature and vector scaling of rows that list their most probable classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.combining import calibration
from windrow.tasks.algorithms.labels.combining.calibration import (
    LARGEST_TEMPERATURE,
    SMALLEST_TEMPERATURE,
    label_weights,
)
from windrow.tasks.algorithms.labels.combining.vector_scaling import SMALLEST_RELATIVE_SCALE
from windrow.tasks.algorithms.labels.many_classes.listed_rows import log_rest
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, SparseProbabilities


@dataclass(frozen=True)
class ListedLogs:
    """Logarithms of rows: of what is listed (n, k), -inf in an empty slot, and of each other class (n,), of which there
    are n_left (n,)."""

    logs: Float64Array
    rest: Float64Array
    n_left: Int64Array

    @classmethod
    def of(cls, said: SparseProbabilities) -> ListedLogs:
        """As `log_probabilities` has them: of 1e-7 where a probability is below it."""
        there = said.classes >= 0
        logs = np.log(np.maximum(said.probabilities.astype(np.float64), SMALLEST_PROBABILITY))
        return cls(np.where(there, logs, -np.inf), log_rest(said), said.n_classes - there.sum(axis=1))

    def total(self) -> Float64Array:
        """The logarithm (n,) of the sum of all."""
        top = np.maximum(self.logs.max(axis=1, initial=-np.inf), np.where(self.n_left > 0, self.rest, -np.inf))
        listed = np.exp(self.logs - top[:, None]).sum(axis=1)
        return np.asarray(top + np.log(listed + self.n_left * np.exp(self.rest - top)))

    def of_labels(self, said: SparseProbabilities, labels: Int64Array) -> Float64Array:
        """Of the class in labels (n,), the rest's where it is not listed."""
        same = said.classes == labels[:, None]
        found = np.where(same, self.logs, 0.0).sum(axis=1)
        return np.asarray(np.where(same.any(axis=1), found, self.rest))


@dataclass(frozen=True)
class ListedScaling:
    """`VectorScaling` of what is listed, float64 (n_classes,) each; what is not has the temperature that all share.

    The logarithm of a listed class's probability times scale, plus bias; of another's divided by temperature.
    """

    scale: Float64Array
    bias: Float64Array
    temperature: float

    def softer(self, temperature: float) -> ListedScaling:
        """The same, and then a temperature."""
        return ListedScaling(self.scale / temperature, self.bias / temperature, self.temperature * temperature)


def fit_temperature(
    said: SparseProbabilities, labels: Int64Array, class_weights: Float64Array | None = None, deviation: float = 1.0
) -> float:
    """`calibration.fit_temperature` of rows with labels int64 (m,), none of them -1."""
    from scipy.optimize import minimize_scalar

    found = ListedLogs.of(said)
    own, weights = found.of_labels(said, labels), label_weights(labels, class_weights, said.n_classes)

    def cost(log_temperature: float) -> float:
        power = np.exp(-log_temperature)
        total = ListedLogs(found.logs * power, found.rest * power, found.n_left).total()
        return float(0.5 * (log_temperature / deviation) ** 2 - (weights * (own * power - total)).sum())

    bounds = (np.log(SMALLEST_TEMPERATURE), np.log(LARGEST_TEMPERATURE))
    return float(np.exp(minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))


def apply_temperature(said: SparseProbabilities, temperature: float) -> SparseProbabilities:
    """`calibration.apply_temperature` of listed rows: the order of a row's classes stays."""
    ones = np.ones(said.n_classes)
    return apply_scaling(said, ListedScaling(ones / temperature, 0 * ones, temperature))


def tempered(said: Probabilities, temperature: float) -> Probabilities:
    """Rows under a temperature, as they are held."""
    if isinstance(said, SparseProbabilities):
        return apply_temperature(said, temperature)
    return calibration.apply_temperature(said, temperature)


def apply_scaling(said: SparseProbabilities, scaling: ListedScaling) -> SparseProbabilities:
    """Listed rows rescaled, most probable first again; the lowest class first of equals."""
    classes, shares = np.empty(said.classes.shape, np.int32), np.empty(said.classes.shape, np.float32)
    for block in row_blocks(len(said)):
        part = said.take(block)
        scores = _scaled(part, scaling)
        values = np.exp(scores.logs - scores.total()[:, None])
        classes[block], shares[block] = in_order(part.classes, values)
    return SparseProbabilities(classes, shares, said.n_classes)


def in_order(classes: Int64Array, values: Float64Array) -> tuple[Int64Array, Float64Array]:
    """Slots (n, k) by value, largest first, and the lowest class first of equals; empty ones last."""
    by_class = np.argsort(classes, axis=1, kind="stable")
    values = np.where(classes >= 0, values, -1.0)
    order = np.take_along_axis(
        by_class, np.argsort(-np.take_along_axis(values, by_class, axis=1), axis=1, kind="stable"), axis=1
    )
    return np.take_along_axis(classes, order, axis=1), np.maximum(np.take_along_axis(values, order, axis=1), 0.0)


def _scaled(said: SparseProbabilities, scaling: ListedScaling) -> ListedLogs:
    found = ListedLogs.of(said)
    there = said.classes >= 0
    logs = np.where(there, found.logs, 0.0) * scaling.scale[said.classes] + scaling.bias[said.classes]
    return ListedLogs(np.where(there, logs, -np.inf), found.rest / scaling.temperature, found.n_left)


def fit_scaling(
    said: SparseProbabilities,
    labels: Int64Array,
    class_weights: Float64Array | None = None,
    scale_deviation: float = 0.1,
    bias_deviation: float = 1.0,
) -> ListedScaling:
    """`fit_vector_scaling` of rows with labels int64 (m,): scales and biases of classes where they are listed."""
    from scipy.optimize import minimize

    temperature, n_classes = fit_temperature(said, labels, class_weights), said.n_classes
    objective = _ScalingObjective(said, labels, label_weights(labels, class_weights, n_classes), temperature)
    mean = np.repeat([1.0, 0.0], n_classes)
    precision = np.repeat([scale_deviation**-2, bias_deviation**-2], n_classes)

    def penalised(flat: Float64Array) -> tuple[float, Float64Array]:
        loss, gradient = objective(flat[:n_classes], flat[n_classes:])
        away = flat - mean
        return loss + 0.5 * float((precision * away**2).sum()), gradient + precision * away

    bounds = [(SMALLEST_RELATIVE_SCALE, None)] * n_classes + [(None, None)] * n_classes
    options = {"maxiter": 1000, "gtol": 1e-7, "ftol": 1e-13}
    found = minimize(penalised, mean, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    flat = np.asarray(found.x, dtype=np.float64)
    return ListedScaling(flat[:n_classes] / temperature, flat[n_classes:], temperature)


class _ScalingObjective:
    """The sum of -log likelihood of labels by relative scales and biases (n_classes,), and its gradient."""

    def __init__(
        self, said: SparseProbabilities, labels: Int64Array, weights: Float64Array, temperature: float
    ) -> None:
        found = ListedLogs.of(said)
        self.there, self.rest, self.n_left = said.classes >= 0, found.rest / temperature, found.n_left
        self.logs = np.where(self.there, found.logs, 0.0) / temperature
        self.classes, self.weights, self.n_classes = np.maximum(said.classes, 0), weights, said.n_classes
        self.own = said.classes == labels[:, None]

    def __call__(self, scale: Float64Array, bias: Float64Array) -> tuple[float, Float64Array]:
        scores = self.logs * scale[self.classes] + bias[self.classes]
        total = ListedLogs(np.where(self.there, scores, -np.inf), self.rest, self.n_left).total()
        own = np.where(self.own.any(axis=1), np.where(self.own, scores, 0.0).sum(axis=1), self.rest)
        residual = np.where(self.there, np.exp(scores - total[:, None]), 0.0) - self.own
        residual *= self.weights[:, None]
        flat = self.classes.ravel()
        gradient = [
            np.bincount(flat, weights=each.ravel(), minlength=self.n_classes)
            for each in (residual * self.logs, residual)
        ]
        return -float((self.weights * (own - total)).sum()), np.concatenate(gradient)
