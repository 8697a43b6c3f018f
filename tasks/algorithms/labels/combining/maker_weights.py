"""How much each of several label makers should count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.combining.calibration import label_weights, log_probabilities, log_softmax
from windrow.tasks.algorithms.labels.folds import labelled_rows

DEVIATION = 0.3


def maker_weights(
    held_out: Sequence[Float32Array],
    labels: Int64Array,
    deviation: float = DEVIATION,
    prior: Sequence[float] | None = None,
) -> Float64Array:
    """Weights (n_makers,) from 0, summing to 1, with which the makers' geometric mean fits labels int64 (m,) best.

    held_out: calibrated out-of-sample probabilities (m, n_classes) of each maker (`cross_fit`, `apply_temperature`).
    Stacking (Wolpert 1992, Breiman 1996) in a logarithmic pool: with w the powers of the makers' probabilities in
    softmax(sum_k w_k log p_k), the minimum over w >= 0 of the sum of -log likelihood, all classes weighing the same
    (`label_weights`), plus sum_k (w_k - prior_k)^2 / (2 deviation^2); then w / sum w. Convex, from a fixed start: no
    seed. prior: weights before any label is seen, divided by their sum; equal if None. Few labels leave them about so;
    many find what each maker adds to the others, where weights by accuracy took the best alone. Labels that are the
    only one of their class cannot be found without themselves and are left out; with none left, or where every maker
    is best unheard, the weights are the prior's.
    """
    if not held_out or {p.shape for p in held_out} != {(len(labels), held_out[0].shape[-1])}:
        shapes = [p.shape for p in held_out]
        raise ValueError(f"held_out must be one or more (m, n_classes) for the {len(labels)} labels, got {shapes}")
    n_makers, n_classes = len(held_out), held_out[0].shape[1]
    if len(labelled_rows(labels, n_classes)) < len(labels):
        raise ValueError("labels must have no -1: held_out are the probabilities of the labelled rows")
    if not deviation > 0:
        raise ValueError(f"deviation must be positive, got {deviation}")
    counts = np.bincount(labels, minlength=n_classes)
    rows = np.flatnonzero(counts[labels] > 1)
    start = np.asarray([1.0] * n_makers if prior is None else prior, dtype=np.float64)
    if start.shape != (n_makers,) or not (start >= 0).all() or not start.any():
        raise ValueError(f"prior must be {n_makers} numbers from 0, not all 0, got {start.tolist()}")
    start = np.asarray(start / start.sum())
    if not len(rows):
        return start
    logs = np.stack([log_probabilities(each[rows]) for each in held_out])
    balance = np.divide(1.0, counts, out=np.zeros(n_classes), where=counts > 1)
    powers = _powers(logs, labels[rows], label_weights(labels[rows], balance, n_classes), start, deviation)
    return np.asarray(powers / powers.sum()) if powers.any() else start


def _powers(
    logs: Float64Array, targets: Int64Array, weights: Float64Array, start: Float64Array, deviation: float
) -> Float64Array:
    """The minimum, of logs (n_makers, m, n_classes)."""
    row = np.arange(len(targets))

    def objective(powers: Float64Array) -> tuple[float, Float64Array]:
        scores = log_softmax(np.tensordot(powers, logs, axes=1))
        residual = np.exp(scores)
        residual[row, targets] -= 1.0
        gradient = np.einsum("mc,kmc->k", residual * weights[:, None], logs)
        away = (powers - start) / deviation
        loss = -float((weights * scores[row, targets]).sum()) + 0.5 * float((away**2).sum())
        return loss, gradient + away / deviation

    options = {"maxiter": 1000, "gtol": 1e-7, "ftol": 1e-13}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start), options=options)
    return np.asarray(found.x, dtype=np.float64)
