"""Clusters named by a few labels."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.label_makers import check_pool, labelled_rows, normalise_rows
from windrow.tasks.algorithms.labels.makers.sinkhorn import row_blocks
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import GRID


def name_clusters(
    predictions: SparseProbabilities,
    labels: Int64Array,
    n_classes: int,
    smoothing: float = 1.0,
    rows: Int64Array | None = None,
) -> Float32Array:
    """Probabilities (n, n_classes) of classes, from those of clusters and a few labels int64 (n,), -1 for none.

    With as many clusters as classes each class gets the cluster of its own: the matching with the most labelled mass
    (the Hungarian method, Kuhn 1955), every class of equal weight. Clusters beyond the labelled classes are shared
    evenly by the classes without a label: one such class gets the one that is left. With another number of clusters,
    each gets the classes of its labelled mass, every class of equal weight, and `smoothing` labels more that are spread
    over the labelled classes; a class without labels gets 0. rows: only these rows of the pool, in that order. No sum
    depends on the order of the samples.
    """
    check_pool(predictions.classes, labels)
    if not smoothing > 0:
        raise ValueError(f"smoothing must be positive, got {smoothing}")
    mass = _labelled_mass(predictions, labels, n_classes)
    table = _matched(mass) if len(mass) == n_classes else _mixed(mass, labels, smoothing)
    wanted = np.arange(len(labels), dtype=np.int64) if rows is None else rows
    named = np.empty((len(wanted), n_classes), dtype=np.float32)
    for block in row_blocks(len(wanted)):
        shares = predictions.dense(wanted[block]).astype(np.float64)
        named[block] = normalise_rows(np.einsum("nk,kc->nc", shares, table))
    return named


def _labelled_mass(predictions: SparseProbabilities, labels: Int64Array, n_classes: int) -> Float64Array:
    """The share of each class's labelled mass in each cluster: float64 (n_clusters, n_classes), columns of 1 or 0."""
    labelled = labelled_rows(labels, n_classes)
    sums = np.zeros((n_classes, predictions.n_classes))
    for block in row_blocks(len(labelled)):
        rows = labelled[block]
        # Multiples of 2^-26 add up exactly.
        np.add.at(sums, labels[rows], np.rint(predictions.dense(rows).astype(np.float64) * GRID) / GRID)
    total = sums.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(sums, total, out=np.zeros_like(sums), where=total > 0).T)


def _matched(mass: Float64Array) -> Float64Array:
    known = np.flatnonzero(mass.any(axis=0))
    clusters, columns = linear_sum_assignment(mass[:, known], maximize=True)
    table = np.zeros_like(mass)
    table[clusters, known[columns]] = 1.0
    left, unknown = np.flatnonzero(~table.any(axis=1)), np.flatnonzero(~mass.any(axis=0))
    table[np.ix_(left, unknown)] = 1.0 / max(len(unknown), 1)
    return table


def _mixed(mass: Float64Array, labels: Int64Array, smoothing: float) -> Float64Array:
    known = mass.any(axis=0)
    per_class = np.count_nonzero(labels >= 0) / np.count_nonzero(known)
    counted = per_class * mass + smoothing * known / np.count_nonzero(known)
    return np.asarray(counted / counted.sum(axis=1, keepdims=True))
