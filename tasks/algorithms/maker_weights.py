"""How much each of several label makers should count, from how well each predicts labels that it did not see."""

from collections.abc import Sequence

import numpy as np

from windrow.tasks.algorithms.label_makers import SMALLEST_PROBABILITY, labelled_rows
from windrow.tasks.algorithms.neighbors import Float32Array, Float64Array, Int64Array

TOLERANCE = 1e-10
MAX_ITERATIONS = 10_000


def maker_weights(
    probabilities: Sequence[Float32Array], labels: Int64Array, prior_labels: float = 1.0, class_balanced: bool = True
) -> Float64Array:
    """Weights (n_makers,), from 0, sum 1, whose mean of the makers gives the labels the highest likelihood.

    Wolpert 1992, Stacked generalization, over the linear pool that `ensemble` makes: maximises the sum over samples of
    log(sum_j w_j p_j[label]), which is concave, by EM from equal weights: each step moves a weight to its share of
    the credit and none lowers the likelihood. probabilities: (m, n_classes) each, out of sample (`cross_fit`) for the
    labels int64 (m,); rows labelled -1 are left out. prior_labels: as many labels, for each maker, as are taken to
    have been explained by it alone: they keep few labels from dropping a maker. class_balanced: each class with labels
    weighs the same.
    """
    if not probabilities or {p.shape for p in probabilities} != {(len(labels), probabilities[0].shape[-1])}:
        shapes = [p.shape for p in probabilities]
        raise ValueError(f"probabilities must be one or more (m, n_classes) for the {len(labels)} labels, got {shapes}")
    if not prior_labels >= 0:
        raise ValueError(f"prior_labels must be from 0, got {prior_labels}")
    rows = labelled_rows(labels, probabilities[0].shape[1])
    given = np.stack([p[rows, labels[rows]] for p in probabilities], axis=1).astype(np.float64)
    given = np.maximum(given, SMALLEST_PROBABILITY)
    classes, group, sizes = np.unique(labels[rows], return_inverse=True, return_counts=True)
    counts = len(rows) / (len(classes) * sizes[group]) if class_balanced else np.ones(len(rows))
    weights = np.full(len(probabilities), 1.0 / len(probabilities))
    for _ in range(MAX_ITERATIONS):
        credit = given * weights
        credit *= (counts / credit.sum(axis=1))[:, None]
        moved = credit.sum(axis=0) + prior_labels
        moved /= moved.sum()
        if np.abs(moved - weights).max() < TOLERANCE:
            break
        weights = moved
    return weights
