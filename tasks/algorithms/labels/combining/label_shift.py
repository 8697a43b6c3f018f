"""How large each class is in the pool, when the labels were not drawn as the pool is (label shift).

Labels given class by class say nothing of the pool's shares, and probabilities learned from them assume equal ones.
Under label shift, p(x | y) the same for the labelled and the pool, the pool's predictions tell. What to do with the
shares is in distribution_alignment.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.combining.calibration import check_labels
from windrow.tasks.algorithms.labels.pool_statistics import check_distribution, check_rows, mean_prediction, pool_mean


def label_shares(labels: Int64Array, n_classes: int) -> Float64Array:
    """Each class's share (n_classes,) of the labels that are not -1; equal shares where there are none."""
    counts = np.bincount(labels[labels >= 0], minlength=n_classes).astype(np.float64)
    return np.asarray(counts / counts.sum()) if counts.any() else np.full(n_classes, 1.0 / n_classes)


def confusion_matrix(held_out: Float32Array, labels: Int64Array) -> Float64Array:
    """The mean out-of-sample prediction (row) for the labels of each class (column), (n_classes, n_classes).

    Columns sum to 1; that of a class without labels is 0. Rows of held_out labelled -1 are left out. Predictions are
    taken soft, which loses less than their argmax where labels are few (Alexandari et al. 2020, table 1, BBSE-soft).
    """
    check_labels(held_out, labels)
    n_classes = held_out.shape[1]
    matrix = np.zeros((n_classes, n_classes))
    for label in np.unique(labels[labels >= 0]):
        matrix[:, label] = mean_prediction(held_out[labels == label])
    return matrix


def bbse_prior(held_out: Float32Array, labels: Int64Array, pool: Float32Array, ridge: float = 0.1) -> Float64Array:
    """Class shares q (n_classes,) of the pool, from how out-of-sample predictions of labels (m,) confuse classes.

    Lipton, Wang and Smola 2018, Detecting and correcting for label shift with black box predictors, proposition 2: the
    pool's mean prediction is M q, with M the confusion matrix. Inverting M blows up noise when labels are few; here q
    minimises ||M q - mean||^2 + ridge / m ||q - shares||^2 over q >= 0 (the clipping), and is divided by its sum.
    `shares` are equal over the classes that have labels, and the pull to them fades as the m labels grow, as in
    Azizzadenesheli et al. 2019 (RLLS). Predictions need be the same function, not calibrated. A class without labels
    gets 0. Cubic in n_classes. Raises ValueError without a label.
    """
    check_rows("pool", pool)
    matrix = confusion_matrix(held_out, labels)
    if held_out.shape[1] != pool.shape[1]:
        raise ValueError(f"pool must have the {held_out.shape[1]} columns of held_out, got {pool.shape}")
    if not ridge > 0:
        raise ValueError(f"ridge must be positive, got {ridge}")
    known = np.flatnonzero(matrix.any(axis=0))
    if not len(known):
        raise ValueError("labels must hold at least one label, all are -1")
    pull = np.sqrt(ridge / int((labels >= 0).sum()))
    system = np.vstack([matrix[:, known], pull * np.eye(len(known))])
    target = np.concatenate([mean_prediction(pool), np.full(len(known), pull / len(known))])
    shares = np.zeros(pool.shape[1])
    shares[known] = nnls(system, target)[0]
    return np.asarray(shares / shares.sum())


def em_prior(
    pool: Float32Array,
    source: Float64Array,
    pseudo_count: float = 0.0,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
) -> Float64Array:
    """Class shares q (n_classes,) under which the pool's probabilities, made for shares source, fit best.

    Saerens, Latinne and Decaestecker 2002, Adjusting the outputs of a classifier to new a priori probabilities,
    equations 2.9: q <- the pool's mean of p q / source, rows normalised, from q = source, until no share moves by more
    than `tolerance`. The likelihood is concave and grows with every step. Probabilities must be calibrated for source:
    overconfident ones change q little or send it to a corner. `pseudo_count` samples of each class, in proportion to
    source, are added to the pool's (0: maximum likelihood). A class with source 0 keeps 0. A pass over the pool a step.
    """
    check_rows("pool", pool)
    check_distribution("source", source, pool.shape[1])
    if not pseudo_count >= 0 or not tolerance > 0 or max_iterations < 1:
        settings = f"{pseudo_count}, {tolerance} and {max_iterations}"
        raise ValueError(
            f"pseudo_count, tolerance and max_iterations must be from 0, positive and from 1, got {settings}"
        )
    n, added = len(pool), pseudo_count * pool.shape[1]
    shares = source.astype(np.float64)
    for _ in range(max_iterations):
        step = (n * reweighted_mean(pool, _ratio(shares, source)) + added * source) / (n + added)
        moved = float(np.abs(step - shares).max())
        shares = step / step.sum()
        if moved <= tolerance:
            break
    return shares


def reweight(probabilities: Float32Array, ratio: Float64Array) -> Float32Array:
    """Probabilities (n, n_classes) times ratio (n_classes,), rows summing to 1 again; a row left with nothing stays."""
    if probabilities.ndim != 2 or ratio.shape != probabilities.shape[1:] or not (ratio >= 0).all():
        raise ValueError(f"ratio must be {probabilities.shape[-1]} numbers from 0, got {ratio.tolist()}")
    scaled = probabilities.astype(np.float64) * ratio
    total = scaled.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(scaled, total, out=probabilities.astype(np.float64), where=total > 0)).astype(
        np.float32
    )


def reweighted_mean(probabilities: Float32Array, ratio: Float64Array) -> Float64Array:
    """The mean (n_classes,) of what reweight returns, block by block."""
    return pool_mean(len(probabilities), lambda rows: reweight(probabilities[rows], ratio))


def _ratio(target: Float64Array, source: Float64Array) -> Float64Array:
    return np.divide(target, source, out=np.zeros(len(source)), where=source > 0)


def shift_prior(probabilities: Float32Array, source: Float64Array, target: Float64Array) -> Float32Array:
    """Probabilities (n, n_classes) made for class shares source, as they are for shares target: p target / source.

    Bayes' rule (Saerens et al. 2002, equation 2.4); both (n_classes,), summing to 1. A class with source 0 gets 0.
    """
    check_rows("probabilities", probabilities)
    check_distribution("source", source, probabilities.shape[1])
    check_distribution("target", target, probabilities.shape[1])
    return reweight(probabilities, _ratio(target, source))
