"""How much each of several label makers should count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from windrow.tasks.algorithms.label_makers import labelled_rows
from windrow.tasks.algorithms.neighbors import Float32Array, Float64Array, Int64Array

RATE = 0.3


def class_balanced_accuracy(held_out: Float32Array, labels: Int64Array) -> float:
    """The share of labels int64 (m,) that out-of-sample probabilities (m, n_classes) find, every class alike.

    Only classes with two labels or more are looked at: the one label of a class cannot be found without itself. nan
    when there is none.
    """
    classes, group, counts = np.unique(labels, return_inverse=True, return_counts=True)
    found = np.bincount(group, weights=held_out.argmax(axis=1) == labels, minlength=len(classes)) / counts
    return float(found[counts > 1].mean()) if (counts > 1).any() else float("nan")


def maker_weights(held_out: Sequence[Float32Array], labels: Int64Array, rate: float = RATE) -> Float64Array:
    """Weights (n_makers,), summing to 1, proportional to exp(rate m a), a a maker's class-balanced accuracy.

    held_out: out-of-sample probabilities (m, n_classes) of each maker (`cross_fit`) for labels int64 (m,). The Gibbs
    posterior over the makers for the class-balanced 0-1 loss (Catoni 2007, PAC-Bayesian supervised classification):
    few labels leave them equal, many let the best decide. With one label a class they are equal. On CIFAR-10 (seeds
    10 to 12, balanced and long-tailed) equal weights cost 1 point of macro recall with 100 labels a class, and weights
    by likelihood as much on the long tail.
    """
    if not held_out or {p.shape for p in held_out} != {(len(labels), held_out[0].shape[-1])}:
        shapes = [p.shape for p in held_out]
        raise ValueError(f"held_out must be one or more (m, n_classes) for the {len(labels)} labels, got {shapes}")
    if len(labelled_rows(labels, held_out[0].shape[1])) < len(labels):
        raise ValueError("labels must have no -1: held_out are the probabilities of the labelled rows")
    if not rate >= 0:
        raise ValueError(f"rate must be from 0, got {rate}")
    accuracy = np.array([class_balanced_accuracy(each, labels) for each in held_out])
    if np.isnan(accuracy).any():
        return np.full(len(held_out), 1 / len(held_out))
    odds = np.exp(rate * len(labels) * (accuracy - accuracy.max()))
    return np.asarray(odds / odds.sum())
