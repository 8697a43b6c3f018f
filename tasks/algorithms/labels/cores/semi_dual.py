"""Entropic optimal transport of many samples to few classes: Newton's method on its semi-dual, one number a class.

The rows of the plan are softmaxes of logits + logs, logs (c,) the logarithms of the classes' scaling, and the plan is
the optimum where its columns have their shares: where a concave smooth function of logs is largest (Cuturi and Peyre
2018, Semidual regularized optimal transport). Its gradient is what the columns lack; that and its curvature take one
pass over the rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import FEW_COLUMNS, Float64Array, over_columns, row_blocks, row_maxima
from windrow.tasks.algorithms.labels.cores.sinkhorn import NotConvergedError

# What a column may be off by, as a part of its share or of one sample's mass, whichever is more.
TOLERANCE = 1e-9
# Added to the curvature, in the same units. Between classes that share next to no sample it lets a gap above TOLERANCE
# move logs by many e-folds, and rounding by next to nothing.
RIDGE = 1e-10
# Sinkhorn's steps before Newton's: each costs a pass too, and the first go far.
SINKHORN_STEPS = 3
# Logits up to 40 apart took 27 at most, up to 600 apart 150.
MOST_STEPS = 2000

Solve = Callable[[Float64Array, Float64Array], Float64Array]
"""Gap (c,), ridge (c,) -> the direction (c,) that solves (curvature + diag(ridge)) direction = gap, or nearly."""
Columns = Callable[[Float64Array], tuple[Float64Array, Solve]]
"""Logs (c,), -inf of an empty class -> the columns' masses (c,), of sum 1, and what solves with the curvature there."""


def class_logs(columns: Columns, shares: Float64Array, n: int, most_steps: int = MOST_STEPS) -> Float64Array:
    """The logs (c,) at which `columns` have these shares (c,), of sum 1; -inf where a share is 0.

    n: the rows, of mass 1 / n each. No column is off by more than 1e-9 of its share or of 1 / n, whichever is more.
    Three of Sinkhorn's steps, then Newton's, each cut to log(1 + r) / r of itself, r the spread of its direction. It
    never overshoots, wherever it begins, as the third derivative along it is at most r times the second (Sun and
    Tran-Dinh 2019, Generalized self-concordant functions, the damped step for nu = 2); near the end r vanishes, and
    each step squares the error. A direction that only lessens the gap may be cut in the same way.
    Raises ValueError for shares that are none, NotConvergedError after most_steps passes.
    """
    if not (shares >= 0).all() or not np.isclose(shares.sum(), 1.0):
        raise ValueError(f"shares must be 0 or more, of sum 1, got {shares}")
    unit = np.maximum(shares, 1.0 / n)
    with np.errstate(divide="ignore"):
        target = np.log(shares)
    logs = target.copy()
    with threadpool_limits(limits=1):  # a product shared among threads adds up in another order
        for step in range(most_steps):
            masses, solve = columns(logs)
            gap = shares - masses
            error = float(np.max(np.abs(gap) / unit))
            if error <= TOLERANCE:
                return logs
            if step < SINKHORN_STEPS:
                logs = logs + target - np.log(np.maximum(masses, np.finfo(np.float64).tiny))
            else:
                logs = logs + _cut(solve(gap, RIDGE * unit))
    raise NotConvergedError(
        f"transport plan: a column is off by {error:.1e} of its share after {most_steps} steps;"
        " its logits may be too far apart"
    )


def _cut(direction: Float64Array) -> Float64Array:
    spread = np.ptp(direction)
    return direction * (np.log1p(spread) / spread) if spread > 0 else direction


def columns_of(logits: Float64Array) -> Columns:
    """Columns of logits (n, c), solved by elimination: a pass costs n c^2, and holds c^2 beside a block of rows."""

    def columns(logs: Float64Array) -> tuple[Float64Array, Solve]:
        n, n_classes = logits.shape
        masses, links = np.zeros(n_classes), np.zeros((n_classes, n_classes))
        for block in row_blocks(n):
            rows = plan_rows(logits[block], logs)
            masses += rows.sum(axis=0)
            links += rows.T @ rows
        return masses / n, lambda gap, ridge: _eliminated(links / n, gap, ridge)

    return columns


def plan_rows(logits: Float64Array, logs: Float64Array) -> Float64Array:
    """The softmax (m, c) of logits (m, c) + logs (c,): n times the plan's rows."""
    rows = logits + logs
    rows -= row_maxima(rows)
    np.exp(rows, out=rows)
    few = rows.shape[1] <= FEW_COLUMNS
    rows /= (over_columns(np.add, rows) if few else rows.sum(axis=1))[:, None]
    return rows


def _eliminated(links: Float64Array, gap: Float64Array, ridge: Float64Array) -> Float64Array:
    """links: (c, c), how much of the rows two classes share. The diagonal is summed of these: as a class's mass less
    its square it would be lost to rounding where it shares little.
    """
    curvature = -links
    np.fill_diagonal(curvature, 0.0)
    np.fill_diagonal(curvature, ridge - curvature.sum(axis=1))
    return np.asarray(np.linalg.solve(curvature, gap))
