"""Sinkhorn scaling of a positive matrix to given marginals, in logarithms, streamed over blocks of rows.

The matrix (n, k) is never held: a function gives the logarithms of some of its rows, and the state is one number for
each row and each column. Every method here that balances clusters is one call of `scale` with its own matrix.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float64Array, row_blocks

# Earlier points that the acceleration remembers: k numbers each, twice.
MEMORY = 6
# An error that many times the least so far has come from a bad acceleration.
GROWTH = 2.0

# Some rows of the pool, as a slice -> the logarithms (b, k) of the matrix there; -inf where it is 0. A fresh array.
LogMatrix = Callable[[slice], Float64Array]


class NotConvergedError(ArithmeticError):
    """The marginals were still further off than the tolerance after the last iteration allowed."""


@dataclass(frozen=True)
class Scaling:
    """The scaled matrix Q_ij = exp(log_matrix_ij + row_i + column_j), whose rows sum to their marginal.

    row: float64 (n,), -inf where the marginal is 0; column: float64 (k,), likewise; column_mass: (k,), the sums of Q's
    columns; error: the largest change of a logarithm in `column` that another iteration would make, which for a hard
    column is the relative error of its sum; n_iters: passes over the matrix.
    """

    row: Float64Array
    column: Float64Array
    column_mass: Float64Array
    error: float
    n_iters: int


def scale(
    log_matrix: LogMatrix,
    row_marginal: Float64Array,
    column_marginal: Float64Array,
    hardness: Float64Array | None = None,
    tolerance: float = 1e-4,
    max_iters: int = 2000,
    start: Float64Array | None = None,
) -> Scaling:
    """The minimiser of sum Q (log Q - log_matrix) over Q (n, k) with these row and column sums (Cuturi 2013).

    row_marginal: (n,), column_marginal: (k,), not negative, of one sum. hardness: (k,), over 0 to 1. A column of
    hardness 1 has its sum exactly; one of hardness f < 1 pays f / (1 - f) KL(its sum || its marginal) instead, and its
    update is raised to the power f (Chizat et al. 2018, Scaling algorithms for unbalanced optimal transport, table 1).
    start: (k,), a `column` to begin from. Raises NotConvergedError after max_iters passes with an error above
    tolerance, and ValueError for marginals that no scaling can have.
    """
    exponent = np.ones(len(column_marginal)) if hardness is None else hardness
    _check(row_marginal, column_marginal, exponent, tolerance, max_iters)
    used = column_marginal > 0
    with np.errstate(divide="ignore"):
        log_row, target = np.log(row_marginal), np.log(column_marginal)
    column = np.where(used, 0.0 if start is None else start, -np.inf)
    mixing = _Mixing()
    for n_iters in range(1, max_iters + 1):
        row, mass = _pass(log_matrix, log_row, column)
        if np.isneginf(mass[used]).any():
            raise ValueError(f"column {int(np.flatnonzero(used & np.isneginf(mass))[0])} of the matrix is 0")
        step = exponent[used] * (target[used] - mass[used]) - (1 - exponent[used]) * column[used]
        error = float(np.abs(step).max())
        if error <= tolerance:
            return Scaling(row, column, np.exp(mass), error, n_iters)
        column[used] = mixing.next(column[used], step, error)
    raise NotConvergedError(
        f"Sinkhorn scaling: marginals off by {error:.1e} after max_iters={max_iters}, tolerance={tolerance:.1e};"
        " allow more iterations, or make the matrix less sharp"
    )


def scaled_rows(log_matrix: LogMatrix, scaling: Scaling) -> Iterator[tuple[slice, Float64Array]]:
    """The rows of log Q (b, k), block after block, and where they are."""
    for rows in row_blocks(len(scaling.row)):
        yield rows, log_matrix(rows) + scaling.row[rows, None] + scaling.column


def log_sum_exp(logs: Float64Array, axis: int) -> Float64Array:
    """log(sum(exp(logs))) along an axis, -inf where all are -inf."""
    largest = logs.max(axis=axis, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(logs - largest).sum(axis=axis)) + largest.squeeze(axis))


class _Mixing:
    """Anderson's acceleration of a fixed-point iteration (Walker and Ni 2011), with a way back.

    The last few points and their plain steps give the step that a linear iteration would need to its end. Plain steps
    always lead to the answer, if slowly. So where the error has grown, the next point is the plain one from the best so
    far, and only plain steps follow for a while, twice as long after every such mistake.
    """

    def __init__(self) -> None:
        self.points: list[Float64Array] = []
        self.steps: list[Float64Array] = []
        self.best: tuple[float, Float64Array] = (np.inf, np.empty(0))
        self.patience = self.rest = 0

    def next(self, point: Float64Array, step: Float64Array, error: float) -> Float64Array:
        """The next point (k,), after a point with this plain step and error."""
        if len(self.points) > 1 and error > GROWTH * self.best[0]:
            self.points, self.steps = [], []
            self.patience = self.rest = 2 * self.patience + MEMORY
            return self.best[1]
        plain = point + step
        if error < self.best[0]:
            self.best = (error, plain)
        if self.rest:
            self.rest -= 1
            return plain
        self.points, self.steps = [*self.points[-MEMORY:], point], [*self.steps[-MEMORY:], step]
        if len(self.points) < 2:
            return plain
        moved, changed = np.diff(self.points, axis=0), np.diff(self.steps, axis=0)
        mix = np.linalg.lstsq(changed.T, step, rcond=1e-10)[0]
        return np.asarray(plain - mix @ (moved + changed))


def _pass(log_matrix: LogMatrix, log_row: Float64Array, column: Float64Array) -> tuple[Float64Array, Float64Array]:
    """The row scaling (n,) that goes with a column scaling, and the logarithms (k,) of the columns' sums then."""
    row = np.empty_like(log_row)
    mass = np.full(len(column), -np.inf)
    for rows in row_blocks(len(row)):
        logs = log_matrix(rows) + column
        total = log_sum_exp(logs, axis=1)
        if np.isneginf(total).any():
            lost = rows.start + int(np.flatnonzero(np.isneginf(total))[0])
            raise ValueError(f"row {lost} of the matrix is 0 in every column that may have mass")
        row[rows] = log_row[rows] - total
        mass = np.logaddexp(mass, log_sum_exp(logs + row[rows, None], axis=0))
    return row, mass


def _check(rows: Float64Array, columns: Float64Array, hardness: Float64Array, tolerance: float, iters: int) -> None:
    for name, marginal in (("row_marginal", rows), ("column_marginal", columns)):
        if marginal.ndim != 1 or not len(marginal) or not np.isfinite(marginal).all() or marginal.min() < 0:
            raise ValueError(f"{name} must be one or more finite numbers from 0, got {marginal}")
    if not np.isclose(rows.sum(), columns.sum(), rtol=1e-6, atol=0.0) or not rows.sum() > 0:
        raise ValueError(f"row_marginal and column_marginal must have one sum, got {rows.sum()} and {columns.sum()}")
    if hardness.shape != columns.shape or not (hardness > 0).all() or not (hardness <= 1).all():
        raise ValueError(f"hardness must be {len(columns)} numbers above 0, at most 1, got {hardness}")
    if not tolerance > 0:
        raise ValueError(f"tolerance must be positive, got {tolerance}")
    if iters < 1:
        raise ValueError(f"max_iters must be positive, got {iters}")
