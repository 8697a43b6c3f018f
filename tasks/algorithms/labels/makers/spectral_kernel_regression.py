"""Kernel regression whose kernel is transformed by the pool's spectrum: a few labels, all the pool, any new row.

The base kernel is the cosine <f, f'> of d-dimensional rows. Over a pool of n rows its powers, with the pool's mean for
the integral, are <f, C^(p-1) f'>, C the d x d second moment of the pool: no n x n matrix is ever needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Lt
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import (
    Float32Array,
    Float64Array,
    Int64Array,
    check_embeddings,
    row_blocks,
    unit_rows,
)
from windrow.tasks.algorithms.labels.cores.standardisation import centred_units, pool_mean
from windrow.tasks.algorithms.labels.folds import Predict, check_pool, labelled_rows
from windrow.tasks.algorithms.labels.maker import LabelPool, Maker, Positive
from windrow.tasks.algorithms.labels.probabilities import predict_rows

# Of the residual, relative to the right-hand side.
CG_TOLERANCE = 1e-8


@dataclass(frozen=True)
class SpectralRegression(Maker):
    """Ridge regression with the kernel of spectrum s(l) = l / (1 - eta l / l_max), the inverse Laplacian.

    Zhai et al. 2024, Spectrally transformed kernel regression: f = K_s a with (K_s + n ridge I) a = y over the labelled
    rows. With a linear base kernel that is a linear f, and the weights that minimise (derived: K_s = F (I - eta C /
    l_max)^-1 F')

        mean (f weights - y)^2 + ridge (|weights|^2 - eta / l_max * the pool's mean (f weights)^2)

    so directions in which the pool varies cost less. Rows f as in `Prototypes`, every class of equal weight, the bias
    free. The classes' columns are solved by conjugate gradients on d numbers.

    `eta`: how much cheaper the pool's own directions are, from 0 (plain ridge regression) to below 1, where the first
    principal direction is free.
    `ridge`: of the weights.
    `temperature`: of the softmax of what is regressed.
    """

    eta: Annotated[float, Ge(0), Lt(1)] = 0.9
    ridge: Positive = 0.03
    temperature: Positive = 0.08

    def fit(self, pool: LabelPool) -> Predict:
        x, n_classes = pool.embeddings, pool.n_classes
        return lambda labels, rows: predict_rows(self.regression(x, labels, n_classes), x, rows)

    def regression(self, embeddings: npt.NDArray[Any], labels: Int64Array, n_classes: int) -> KernelRegression:
        """The regression of embeddings (n, d) on labels int64 (n,), -1 for none. Raises ValueError."""
        from scipy.linalg import eigh

        problem = _problem(embeddings, labels, n_classes)
        with threadpool_limits(limits=1):
            moment = second_moment(embeddings, problem.origin)
            largest = float(eigh(moment, eigvals_only=True, subset_by_index=[len(moment) - 1] * 2)[0])
            bend = self.eta / largest if largest > 0 else 0.0

            def system(weights: Float64Array) -> Float64Array:
                fit = problem.features.T @ (problem.features @ weights)
                return np.asarray(fit + self.ridge * (weights - bend * (moment @ weights)))

            weights, n_iters = conjugate_gradients(system, problem.features.T @ problem.targets)
        bias = problem.shares - problem.mean @ weights
        return KernelRegression(problem.classes, n_classes, weights, bias, problem.origin, self.temperature, n_iters)


@dataclass(frozen=True)
class KernelRegression:
    """A fitted regression on the classes' indicators, f weights + bias; probabilities are softmax(that / temperature).

    classes: int64 (c,) ascending; weights: float64 (d, c); bias: (c,); origin: (d,), what is subtracted from an
    embedding of length 1, which is then brought to length 1 again. n_iters: steps of conjugate gradients.
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
        from scipy.special import softmax

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


def second_moment(embeddings: npt.NDArray[Any], origin: Float64Array) -> Float64Array:
    """The mean (d, d) of f f' over the pool's rows (n, d) as `centred_units` gives them."""
    total = np.zeros((embeddings.shape[1],) * 2)
    for block in row_blocks(len(embeddings)):
        units = centred_units(embeddings[block], origin)
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


def _problem(embeddings: npt.NDArray[Any], labels: Int64Array, n_classes: int) -> _Problem:
    check_embeddings("embeddings", embeddings)
    check_pool(embeddings, labels)
    labelled = labelled_rows(labels, n_classes)
    origin = pool_mean(embeddings)
    classes, targets, counts = np.unique(labels[labelled], return_inverse=True, return_counts=True)
    share = 1.0 / (len(classes) * counts[targets])[:, None]
    units = centred_units(embeddings[labelled], origin)
    one_hot = (targets[:, None] == np.arange(len(classes))).astype(np.float64)
    mean, shares = (share * units).sum(axis=0), (share * one_hot).sum(axis=0)
    root = np.sqrt(share)
    return _Problem(classes, root * (units - mean), root * (one_hot - shares), mean, shares, origin)
