"""How large many classes are in the pool, and probabilities brought to that: of rows that list their most probable."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.combining.shares_trust import (
    MOST_ROWS,
    N_DRAWS,
    OVERHANG,
    TOLERANCE,
    drawn,
)
from windrow.tasks.algorithms.labels.many_classes.calibrated_rows import (
    apply_scaling,
    fit_scaling,
    in_order,
)
from windrow.tasks.algorithms.labels.many_classes.listed_rows import excess
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

STANDS_OUT = 1e-6
"""What stands out from the rest by less is taken for the rest, while shares are estimated."""


def em_prior(
    said: SparseProbabilities, source: Float64Array, tolerance: float = 1e-6, max_iterations: int = 1000
) -> Float64Array:
    """`label_shift.em_prior` of listed rows, by the same steps: two sparse products a step."""
    matrix, rest = excess(said), said.rest()
    matrix.data[np.abs(matrix.data) < STANDS_OUT] = 0.0
    matrix.eliminate_zeros()
    matrix = matrix.astype(np.float64)
    columns, shares = matrix.T, source.astype(np.float64)
    for _ in range(max_iterations):
        ratio = _ratio(shares, source)
        total = matrix @ ratio + rest * ratio.sum()
        inverse = np.divide(1.0, total, out=np.zeros(len(total)), where=total > 0)
        step = ratio * (columns @ inverse + inverse @ rest) / len(said)
        moved = float(np.abs(step - shares).max())
        shares = step / step.sum()
        if moved <= tolerance:
            break
    return np.asarray(shares)


def shift_prior(said: SparseProbabilities, source: Float64Array, target: Float64Array) -> SparseProbabilities:
    """`label_shift.shift_prior` of listed rows: what is not listed keeps its sum, in equal shares."""
    ratio = _ratio(target, source)
    classes, shares = np.empty(said.classes.shape, np.int32), np.empty(said.classes.shape, np.float32)
    for block in row_blocks(len(said)):
        classes[block], shares[block] = _shifted(said.take(block), ratio)
    return SparseProbabilities(classes, shares, said.n_classes)


def _shifted(said: SparseProbabilities, ratio: Float64Array) -> tuple[Int64Array, Float64Array]:
    there = said.classes >= 0
    weights = np.where(there, ratio[said.classes], 0.0)
    values = said.probabilities * weights
    total = values.sum(axis=1) + said.rest() * (ratio.sum() - weights.sum(axis=1))
    shares = np.divide(values, total[:, None], out=said.probabilities.astype(np.float64), where=total[:, None] > 0)
    return in_order(said.classes, shares)


def _ratio(target: Float64Array, source: Float64Array) -> Float64Array:
    return np.divide(target, source, out=np.zeros(len(source)), where=source > 0)


def shares_trust(
    estimate: Float64Array,
    equal: Float64Array,
    held_out: SparseProbabilities,
    targets: Int64Array,
    unlabelled: SparseProbabilities,
    class_weights: Float64Array,
) -> float:
    """`shares_trust.shares_trust` of listed rows."""
    distance = float(((estimate - equal) ** 2).sum())
    if not distance > 0 or np.bincount(targets).max(initial=0) < 2:
        return 0.0
    seen, pool = _in_order(held_out, targets), _in_order(unlabelled)
    m = len(seen)
    seen, pool = seen[:: -(-m // MOST_ROWS)], pool[:: -(-len(pool) // MOST_ROWS)]
    few, total = unlabelled.take(pool), 0.0
    for rows in drawn(targets[seen]):
        scaling = fit_scaling(held_out.take(seen[rows]), targets[seen[rows]], class_weights)
        found = em_prior(apply_scaling(few, scaling), equal, tolerance=TOLERANCE)
        total += float(((found - estimate) ** 2).sum())
    return max(0.0, 1.0 - OVERHANG * total / N_DRAWS * len(seen) / m / distance)


def _in_order(said: SparseProbabilities, targets: Int64Array | None = None) -> Int64Array:
    """Rows by target and by content."""
    content = (said.probabilities * np.sqrt(2.0 + np.maximum(said.classes, 0))).sum(axis=1)
    keys = (content,) if targets is None else (content, targets)
    return np.asarray(np.lexsort(keys), np.int64)
