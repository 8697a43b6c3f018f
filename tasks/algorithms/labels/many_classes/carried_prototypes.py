"""Prototypes of many classes, carried to their share of the pool: `transport_barycentres` without samples x classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import Float64Array, unit_rows, wide_blocks
from windrow.tasks.algorithms.labels.cores.semi_dual import Columns, Solve, class_logs
from windrow.tasks.algorithms.labels.cores.standardisation import CentredRows
from windrow.tasks.algorithms.labels.many_classes.listed_rows import matrix_of, most_probable

if TYPE_CHECKING:
    from scipy import sparse

K = 64
"""Classes of a sample whose part in the plan is their own; the others' parts are equal."""
ACCURACY = 0.1
"""What conjugate gradients leave of a gap, at most."""
MOST_GRADIENTS = 50
"""Steps of conjugate gradients for each of Newton's."""


class Directions(Protocol):
    """A direction for each class (c, d), and what its cosines are divided by."""

    @property
    def directions(self) -> Float64Array: ...
    @property
    def temperature(self) -> float: ...


def carried_barycentres(plain: Directions, pool: CentredRows, smoothness: float) -> Float64Array:
    """Each class's mean (c, d), at length 1, of the pool (n, d) weighted by its row of the transport plan.

    The plan is of exp(cosine / smoothness), of which a row holds its K largest entries and one number for the others,
    their mean: what a sample is least like counts little, and alike for all such classes. Its end is that of
    `class_logs`, where conjugate gradients take the place of an elimination: no c x c exists.
    """
    kernel, rest, shares = listed_kernel(plain, pool, smoothness)
    with threadpool_limits(limits=1):  # a product shared among threads adds up in another order
        scale, rows = _scalings(kernel, rest, class_logs(listed_columns(kernel, rest), shares, len(rest)))
        sums = np.zeros_like(plain.directions)
        for block in wide_blocks(len(rest), len(shares)):
            units = pool[block] * rows[block, None]
            sums += kernel[block].T @ units + rest[block] @ units
    return unit_rows(sums * scale[:, None])[0]


def _scalings(kernel: sparse.csr_array, rest: Float64Array, logs: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Of the kernel's columns (c,), the largest 1, and of its rows (n,), which then sum to 1."""
    scale = np.exp(logs - logs.max())
    return scale, 1.0 / (kernel @ scale + rest * scale.sum())


def listed_columns(kernel: sparse.csr_array, rest: Float64Array) -> Columns:
    """Columns of kernel (n, c) + rest (n, 1): a pass, and each step of a solution, costs what the kernel stores."""
    n, back = len(rest), kernel.T

    def columns(logs: Float64Array) -> tuple[Float64Array, Solve]:
        scale, rows = _scalings(kernel, rest, logs)
        masses = scale * (back @ rows + rows @ rest) / n

        def curved(direction: Float64Array) -> Float64Array:
            part = scale * direction
            share = np.square(rows) * (kernel @ part + rest * part.sum())
            return np.asarray(masses * direction - scale * (back @ share + share @ rest) / n)

        return masses, lambda gap, ridge: _by_gradients(curved, masses, gap, ridge)

    return columns


def _by_gradients(
    curved: Callable[[Float64Array], Float64Array], masses: Float64Array, gap: Float64Array, ridge: Float64Array
) -> Float64Array:
    """Conjugate gradients, of which any number of steps gives a direction that `class_logs` may take."""
    from scipy.sparse.linalg import LinearOperator, cg

    def operator(product: Callable[[Float64Array], Float64Array]) -> LinearOperator:
        return LinearOperator((len(gap), len(gap)), matvec=product, dtype=np.float64)

    whole, usual = operator(lambda x: curved(x) + ridge * x), operator(lambda x: x / (masses + ridge))
    return np.asarray(cg(whole, gap, rtol=ACCURACY, atol=0.0, maxiter=MOST_GRADIENTS, M=usual)[0])


def listed_kernel(
    plain: Directions, pool: CentredRows, smoothness: float
) -> tuple[sparse.csr_array, Float64Array, Float64Array]:
    """What stands out in each row of the kernel (n, c), the rest (n,), and the classes' mean probabilities (c,).

    The rest is summed of what is not listed: as what listed entries leave of 1 it would be 0 where it is small, and a
    kernel with zeros may have no plan.
    """
    from scipy import sparse

    n, n_classes = len(pool), len(plain.directions)
    parts, rest, shares = [], np.zeros(n), np.zeros(n_classes)
    for block in wide_blocks(n, n_classes):
        cosines = pool[block] @ plain.directions.T
        cosines -= cosines.max(axis=1, keepdims=True)
        powers = np.exp(cosines / plain.temperature)
        shares += (powers / powers.sum(axis=1, keepdims=True)).sum(axis=0)
        weights = np.exp(cosines / smoothness)
        # Rows may be scaled as one likes: the plan scales them again.
        weights /= weights.sum(axis=1, keepdims=True)
        said = most_probable(weights.astype(np.float32), K)
        np.put_along_axis(weights, said.classes.astype(np.int64), 0.0, axis=1)
        rest[block] = weights.sum(axis=1) / max(n_classes - K, 1)
        parts.append(matrix_of(said, said.probabilities - rest[block, None]))
    return sparse.vstack(parts, format="csr"), rest, shares / n
