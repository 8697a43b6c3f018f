"""The objective of the linear probe, and its minimum by L-BFGS where all directions curve nearly alike."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks, row_maxima, unit_rows
from windrow.tasks.algorithms.clustering.points import Resources

# A block of float64 rows that is still in the cache when the gradient wants it.
BLOCK = 1024
# Sums are of this many strips, however many threads there are: their number decides the last bits.
STRIPS = 16
WORTH_THREADS = 2**26  # some 10 ms of one core
GRADIENT_TOLERANCE = 1e-6
MAX_ITERATIONS = 500


class LogisticObjective(Protocol):
    """Labelled rows x with their weights, which sum to 1, wherever they are held; tables are float64 (d + 1, c).

    A table's last row is the bias; each x has a 1 appended for it.
    """

    def curvature(self) -> Float64Array:
        """The weighted sum of x x', float64 (d + 1, d + 1)."""

    def likelihood(self, table: Float64Array) -> tuple[float, Float64Array]:
        """The weighted sum of cross-entropies, and its gradient by the table."""


def minimise_logistic(objective: LogisticObjective, shape: tuple[int, int], l2: float, shaped: bool) -> Float64Array:
    """The table of this shape (d + 1, c) at which cross-entropy + l2 / 2 ||weights||^2 is least; the bias is free.

    shaped: L-BFGS walks in the coordinates in which curvature / c + l2 is the identity: that is the Hessian at 0, where
    the walk starts, but for what all classes have in common, and half the curvature bounds it everywhere (Boehning
    1992, Multinomial logistic regression algorithm), and takes fewer steps. The objective and where the walk ends, at a
    gradient below 1e-6 everywhere, are the same; it costs n d^2 + d^3 / 3 operations and 24 d^2 bytes.
    """
    # Not below: a library that is loaded within `threadpool_limits` would keep its threads.
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import minimize

    # A matrix product shared among threads adds up in another order: one thread, so that every machine size agrees.
    with threadpool_limits(limits=1):
        factor = cholesky(_metric(objective.curvature() / shape[1], l2), lower=True) if shaped else None
        walk = _Walk(objective, shape, l2, factor, solve_triangular)
        options = {"maxiter": MAX_ITERATIONS, "gtol": 0.0, "ftol": 1e-14}
        start = np.zeros(shape[0] * shape[1])
        minimize(walk, start, jac=True, method="L-BFGS-B", options=options, callback=walk.stop_at_the_minimum)
    return walk.best


def _metric(metric: Float64Array, l2: float) -> Float64Array:
    weights = np.arange(len(metric) - 1)
    metric[weights, weights] += l2
    return metric


class _Walk:
    """The objective in the coordinates factor' table; remembers the table of the last evaluation."""

    def __init__(
        self,
        objective: LogisticObjective,
        shape: tuple[int, int],
        l2: float,
        factor: Float64Array | None,
        solve: Callable[..., Float64Array],
    ) -> None:
        self.objective, self.shape, self.l2, self.factor, self.solve = objective, shape, l2, factor, solve
        self.best = np.zeros(shape)
        self.least, self.slope = np.inf, np.inf

    def __call__(self, flat: Float64Array) -> tuple[float, Float64Array]:
        table = self._solved(flat.reshape(self.shape), transposed=1)
        loss, gradient = self.objective.likelihood(table)
        loss += 0.5 * self.l2 * float(np.square(table[:-1]).sum())
        gradient[:-1] += self.l2 * table[:-1]
        if loss <= self.least:
            self.best, self.least, self.slope = table, loss, float(np.abs(gradient).max())
        return loss, self._solved(gradient, transposed=0).ravel()

    def _solved(self, table: Float64Array, transposed: int) -> Float64Array:
        if self.factor is None:
            return table.copy()
        return self.solve(self.factor, table, lower=True, trans=transposed, check_finite=False)

    def stop_at_the_minimum(self, _at: Float64Array) -> None:
        """After each step: the slope is measured in the table's own coordinates, not in the walk's."""
        if self.slope <= GRADIENT_TOLERANCE:
            raise StopIteration


@dataclass(frozen=True)
class HeldRows:
    """The objective over unit rows float32 (n, d) in memory: classes int64 (n,) from 0 to c - 1, weights (n,)."""

    features: Float32Array
    targets: Int64Array
    weights: Float64Array

    def curvature(self) -> Float64Array:
        # One strip: totals of several would each take 8 d^2 bytes.
        total = np.zeros((self.features.shape[1] + 1, self.features.shape[1] + 1))
        for rows in self._blocks():
            wide = np.ones((len(self.targets[rows]), len(total)), dtype=np.float32)
            wide[:, :-1] = self.features[rows]
            wide *= np.sqrt(self.weights[rows])[:, None].astype(np.float32)
            total += wide.T @ wide
        return total

    def likelihood(self, table: Float64Array) -> tuple[float, Float64Array]:
        def of_block(rows: slice) -> Float64Array:
            block = self.features[rows].astype(np.float64)
            loss, residual = cross_entropy(block @ table[:-1] + table[-1], self.targets[rows], self.weights[rows])
            return np.vstack([block.T @ residual, residual.sum(axis=0), np.full((1, table.shape[1]), loss)])

        summed = strip_sums(self._blocks(), of_block, self.features.size * table.shape[1])
        return float(summed[-1, 0]), summed[:-1]

    def _blocks(self) -> list[slice]:
        return row_blocks(len(self.targets), BLOCK)


def strip_sums(blocks: list[slice], of_block: Callable[[slice], Float64Array], work: int) -> Float64Array:
    """The sum of what each block of rows gives, the same for any number of threads.

    work: multiplications in all of it; less than WORTH_THREADS are done before threads have begun.
    """
    each = -(-len(blocks) // STRIPS)

    def of_strip(first: int) -> Float64Array:
        total = of_block(blocks[first])
        for rows in blocks[first + 1 : first + each]:
            total += of_block(rows)
        return total

    strips = range(0, len(blocks), each)
    n_threads = min(Resources().n_threads, len(strips)) if work >= WORTH_THREADS else 1
    if n_threads <= 1:
        return sum(map(of_strip, strips), np.zeros(1))
    with ThreadPoolExecutor(n_threads) as threads:
        return sum(threads.map(of_strip, strips), np.zeros(1))


def cross_entropy(logits: Float64Array, targets: Int64Array, weights: Float64Array) -> tuple[float, Float64Array]:
    """The weighted sum of cross-entropies of logits (b, c), and its gradient by the logits, in their place."""
    row = np.arange(len(targets))
    logits -= row_maxima(logits)
    own = logits[row, targets]
    np.exp(logits, out=logits)
    total = logits.sum(axis=1)
    loss = float((weights * (np.log(total) - own)).sum())
    logits *= (weights / total)[:, None]
    logits[row, targets] -= weights
    return loss, logits


def unit_float32(embeddings: npt.NDArray[Any]) -> Float32Array:
    """Rows (b, d) divided by their norm, but for rounding to float32 those of unit_rows, several times as fast."""
    if embeddings.dtype.itemsize > 4:
        return unit_rows(embeddings)[0].astype(np.float32)
    rows = embeddings.astype(np.float32)
    # In float64 no square of a float32 number overflows or vanishes.
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    return np.divide(rows, np.where(norms > 0, norms, 1.0)[:, None], out=rows, casting="same_kind")
