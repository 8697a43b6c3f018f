"""Kernel regression whose kernel is transformed by the pool's spectrum: a few labels, all the pool, any new row.

The base kernel is the cosine <f, f'> of d-dimensional rows. Over a pool of n rows its powers, with the pool's mean for
the integral, are <f, C^(p-1) f'>, C the d x d second moment of the pool: no n x n matrix is ever needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.label_makers import check_pool, labelled_rows
from windrow.tasks.algorithms.labels.makers.prototypes import centred_units, pool_mean
from windrow.tasks.algorithms.neighbors.exact_neighbors import check_embeddings, unit_rows

BLOCK = 8192
# Of the residual, relative to the right-hand side.
CG_TOLERANCE = 1e-8
# Directions with less than this part of the largest eigenvalue are rounding.
LEAST_EIGENVALUE = 1e-10


@dataclass(frozen=True)
class SpectralKernelRegression:
    """A fitted regression on the classes' indicators, f weights + bias; probabilities are softmax(that / temperature).

    classes: int64 (c,) ascending; weights: float64 (d, c); bias: (c,); origin: (d,), what is subtracted from an
    embedding of length 1, which is then brought to length 1 again. n_iters: steps of conjugate gradients, 0 where the
    system was solved directly.
    """

    classes: Int64Array
    n_classes: int
    weights: Float64Array
    bias: Float64Array
    origin: Float64Array
    temperature: float
    n_iters: int

    def predict_proba(self, embeddings: npt.NDArray[Any]) -> Float32Array:
        """Probabilities (m, n_classes) of embeddings (m, d), 0 for classes without labels, the same for any m."""
        columns, lengths = unit_rows(self.weights.T)
        scores = (centred_units(embeddings, self.origin) @ columns.T) * lengths + self.bias
        probabilities = np.zeros((len(embeddings), self.n_classes), dtype=np.float32)
        probabilities[:, self.classes] = softmax(scores / self.temperature, axis=1)
        return probabilities


@dataclass(frozen=True)
class _Problem:
    """Least squares: features (m, d) and targets (m, c) less their means, rows times the root of a sample's weight."""

    classes: Int64Array
    features: Float64Array
    targets: Float64Array
    mean: Float64Array
    shares: Float64Array
    origin: Float64Array

    def fitted(
        self, weights: Float64Array, n_classes: int, temperature: float, n_iters: int
    ) -> SpectralKernelRegression:
        bias = self.shares - self.mean @ weights
        return SpectralKernelRegression(self.classes, n_classes, weights, bias, self.origin, temperature, n_iters)


def spectral_kernel_regression(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    eta: float = 0.9,
    ridge: float = 0.03,
    temperature: float = 0.08,
    rows: Int64Array | None = None,
) -> Float32Array:
    """Probabilities (n, n_classes) of the pool, or of these rows of it, by fit_spectral_kernel_regression."""
    fitted = fit_spectral_kernel_regression(embeddings, labels, n_classes, eta, ridge, temperature)
    wanted = np.arange(len(labels), dtype=np.int64) if rows is None else rows
    probabilities = np.empty((len(wanted), n_classes), dtype=np.float32)
    for start in range(0, len(wanted), BLOCK):
        probabilities[start : start + BLOCK] = fitted.predict_proba(embeddings[wanted[start : start + BLOCK]])
    return probabilities


def fit_spectral_kernel_regression(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    eta: float = 0.9,
    ridge: float = 0.03,
    temperature: float = 0.08,
) -> SpectralKernelRegression:
    """Ridge regression with the kernel of spectrum s(l) = l / (1 - eta l / l_max), the inverse Laplacian.

    Zhai et al. 2024, Spectrally transformed kernel regression: f = K_s a with (K_s + n ridge I) a = y over the labelled
    rows. With a linear base kernel that is a linear f, and the weights that minimise (derived: K_s = F (I - eta C /
    l_max)^-1 F')

        mean (f weights - y)^2 + ridge (|weights|^2 - eta / l_max * the pool's mean (f weights)^2)

    so directions in which the pool varies cost less: eta 0 is plain ridge regression, towards 1 the first principal
    direction is free. Rows f as in fit_prototypes, every class of equal weight, the bias free. The classes' columns are
    solved by conjugate gradients on d numbers.
    """
    if not 0 <= eta < 1:
        raise ValueError(f"eta must be from 0 to below 1, got {eta}")
    problem = _problem(embeddings, labels, n_classes, ridge, temperature)
    with threadpool_limits(limits=1):
        moment = second_moment(embeddings, problem.origin)
        largest = float(eigh(moment, eigvals_only=True, subset_by_index=[len(moment) - 1] * 2)[0])
        bend = eta / largest if largest > 0 else 0.0

        def system(weights: Float64Array) -> Float64Array:
            fit = problem.features.T @ (problem.features @ weights)
            return np.asarray(fit + ridge * (weights - bend * (moment @ weights)))

        weights, n_iters = conjugate_gradients(system, problem.features.T @ problem.targets)
    return problem.fitted(weights, n_classes, temperature, n_iters)


def fit_principal_regression(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    n_components: int = 10,
    ridge: float = 1.0,
    temperature: float = 0.08,
) -> SpectralKernelRegression:
    """Ridge regression on the pool's first n_components principal directions, each scaled to variance 1.

    What Zhai et al. 2024 do where the transform s is not known: the top eigenfunctions of the base kernel, estimated on
    the whole pool, and ridge regression on them. Fewer than n_components where the pool spans no more.
    """
    if n_components < 1:
        raise ValueError(f"n_components must be positive, got {n_components}")
    problem = _problem(embeddings, labels, n_classes, ridge, temperature)
    with threadpool_limits(limits=1):
        moment = second_moment(embeddings, problem.origin)
        first = max(len(moment) - n_components, 0)
        values, vectors = eigh(moment, subset_by_index=[first, len(moment) - 1])
        kept = values > LEAST_EIGENVALUE * max(values[-1], np.finfo(np.float64).tiny)
        whiten = vectors[:, kept] / np.sqrt(values[kept])
        components = problem.features @ whiten
        system = components.T @ components + ridge * np.eye(components.shape[1])
        weights = whiten @ np.linalg.solve(system, components.T @ problem.targets)
    return problem.fitted(weights, n_classes, temperature, 0)


def second_moment(embeddings: npt.NDArray[Any], origin: Float64Array) -> Float64Array:
    """The mean (d, d) of f f' over the pool's rows (n, d) as `centred_units` gives them."""
    total = np.zeros((embeddings.shape[1],) * 2)
    for start in range(0, len(embeddings), BLOCK):
        units = centred_units(embeddings[start : start + BLOCK], origin)
        total += units.T @ units
    return np.asarray(total / len(embeddings))


def conjugate_gradients(
    system: Callable[[Float64Array], Float64Array], right: Float64Array
) -> tuple[Float64Array, int]:
    """The solution (d, c) of system(x) = right, column by column, and the steps that the slowest column took.

    Hestenes and Stiefel 1952. The system is symmetric and positive definite. A column rests once its residual is below
    1e-8 of its right-hand side; at most 10 d steps.
    """
    solution, residual = np.zeros_like(right), right.copy()
    direction = residual.copy()
    size = np.square(residual).sum(axis=0)
    enough = CG_TOLERANCE**2 * size
    for step in range(10 * len(right)):
        active = size > enough
        if not active.any():
            return solution, step
        image = system(direction)
        curvature = (direction * image).sum(axis=0)
        length = np.divide(size, curvature, out=np.zeros_like(size), where=active & (curvature > 0))
        solution += length * direction
        residual -= length * image
        before, size = size, np.square(residual).sum(axis=0)
        direction = residual + np.divide(size, before, out=np.zeros_like(size), where=before > 0) * direction
    return solution, 10 * len(right)


def _problem(
    embeddings: npt.NDArray[Any], labels: Int64Array, n_classes: int, ridge: float, temperature: float
) -> _Problem:
    check_embeddings("embeddings", embeddings)
    check_pool(embeddings, labels)
    labelled = labelled_rows(labels, n_classes)
    if not ridge > 0:
        raise ValueError(f"ridge must be positive, got {ridge}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    origin = pool_mean(embeddings)
    classes, targets, counts = np.unique(labels[labelled], return_inverse=True, return_counts=True)
    share = 1.0 / (len(classes) * counts[targets])[:, None]
    units = centred_units(embeddings[labelled], origin)
    one_hot = (targets[:, None] == np.arange(len(classes))).astype(np.float64)
    mean, shares = (share * units).sum(axis=0), (share * one_hot).sum(axis=0)
    root = np.sqrt(share)
    return _Problem(classes, root * (units - mean), root * (one_hot - shares), mean, shares, origin)
