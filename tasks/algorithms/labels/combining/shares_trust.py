"""How far shares that a pool's predictions speak for are to be believed, when they were calibrated on few labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.combining.label_shift import em_prior
from windrow.tasks.algorithms.labels.combining.vector_scaling import apply_vector_scaling, fit_vector_scaling

N_DRAWS = 8
MOST_ROWS = 2000
"""Of the pool, and of the labels, that a draw looks at."""
TOLERANCE = 1e-4
OVERHANG = 4.0
"""How often its variance over the draws an estimate must stand out from equal shares: docs/evidence/calibration.md"""


def shares_trust(
    estimate: Float64Array,
    equal: Float64Array,
    held_out: Float32Array,
    targets: Int64Array,
    unlabelled: Float32Array,
    class_weights: Float64Array,
) -> float:
    """Return 1 - OVERHANG V / D, 0 at least: what an estimate (n_classes,) counts against equal shares.

    D: the squared distance between the two; V: `shares_variance`. The positive-part estimator of James and Stein 1961,
    with more than V for what V does not see: that the makers, too, have learnt from few labels. Of an even pool D is a
    few times V, and all of it error. 0 where no class has two labels.
    """
    distance = float(((estimate - equal) ** 2).sum())
    if not distance > 0 or np.bincount(targets).max(initial=0) < 2:  # one label a class tells of no variance
        return 0.0
    variance = shares_variance(estimate, equal, held_out, targets, unlabelled, class_weights)
    return max(0.0, 1.0 - OVERHANG * variance / distance)


def shares_variance(
    estimate: Float64Array,
    equal: Float64Array,
    held_out: Float32Array,
    targets: Int64Array,
    unlabelled: Float32Array,
    class_weights: Float64Array,
) -> float:
    """Return the mean squared distance from estimate of what EM finds when the calibration has other labels.

    held_out (m, n_classes): what makers say of the labels targets (m,) by the labels of others, before it is
    calibrated; unlabelled (u, n_classes): of the pool, likewise. The labels of each class are drawn anew, with
    replacement (Efron 1979, stratified), N_DRAWS times; the calibration and EM are as in `correct_prior`. Rows are
    taken in an order of their content, so that permuting them changes nothing. Of more than MOST_ROWS labels so many
    are drawn, and what they vary by is taken to fall with their number.
    """
    seen, pool = _in_order(held_out, targets), unlabelled[_in_order(unlabelled)]
    m = len(seen)
    seen, pool = seen[:: -(-m // MOST_ROWS)], pool[:: -(-len(pool) // MOST_ROWS)]
    total = 0.0
    for rows in drawn(targets[seen]):
        again = seen[rows]
        scaling = fit_vector_scaling(held_out[again], targets[again], class_weights=class_weights)
        found = em_prior(apply_vector_scaling(pool, scaling), equal, tolerance=TOLERANCE)
        total += float(((found - estimate) ** 2).sum())
    return total / N_DRAWS * len(seen) / m


def drawn(targets: Int64Array) -> Iterator[Int64Array]:
    """Rows of labels (m,), N_DRAWS times: those of each class drawn anew, with replacement."""
    rng = np.random.default_rng(0)
    of_class = [np.flatnonzero(targets == label) for label in np.unique(targets)]
    for _ in range(N_DRAWS):
        yield np.concatenate([rng.choice(rows, len(rows)) for rows in of_class])


def _in_order(probabilities: Float32Array, targets: Int64Array | None = None) -> Int64Array:
    """Rows (n, n_classes) by target and by content; which of equal rows comes first is no matter."""
    content = (probabilities * np.sqrt(2.0 + np.arange(probabilities.shape[1]))).sum(axis=1)
    keys = (content,) if targets is None else (content, targets)
    return np.asarray(np.lexsort(keys), np.int64)
