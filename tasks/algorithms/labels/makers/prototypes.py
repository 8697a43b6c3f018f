"""Nearest class mean on the unit sphere, the means moved a little to where the unlabelled pool is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.label_makers import check_pool, labelled_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import check_embeddings, unit_rows

BLOCK = 8192
# Of the transport plan: what its rows may miss of a class's mass, and how long it may take.
MARGINAL_TOLERANCE = 1e-9
MAX_SCALINGS = 500


@dataclass(frozen=True)
class Prototypes:
    """One direction for each class that had labels: softmax(cos(x - origin, direction) / temperature) over them.

    classes: int64 (c,) ascending; directions: float64 (c, d), rows of length 1 (0 where a class's embeddings cancel
    out); origin: (d,), what is subtracted from an embedding of length 1.
    """

    classes: Int64Array
    n_classes: int
    directions: Float64Array
    origin: Float64Array
    temperature: float

    def predict_proba(self, embeddings: npt.NDArray[Any]) -> Float32Array:
        """Probabilities (m, n_classes) of embeddings (m, d), 0 for classes without labels, the same for any m."""
        probabilities = np.zeros((len(embeddings), self.n_classes), dtype=np.float32)
        probabilities[:, self.classes] = softmax(self.cosines(embeddings) / self.temperature, axis=1)
        return probabilities

    def cosines(self, embeddings: npt.NDArray[Any]) -> Float64Array:
        """Of embeddings (m, d) with each class's direction: float64 (m, c)."""
        return np.asarray(centred_units(embeddings, self.origin) @ self.directions.T)


def prototypes(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    temperature: float = 0.08,
    transport_weight: float = 10.0,
    rows: Int64Array | None = None,
) -> Float32Array:
    """Probabilities (n, n_classes) of the pool, or of these rows of it, by fit_prototypes's prototypes."""
    fitted = fit_prototypes(embeddings, labels, n_classes, temperature, transport_weight)
    wanted = np.arange(len(labels), dtype=np.int64) if rows is None else rows
    probabilities = np.empty((len(wanted), n_classes), dtype=np.float32)
    for start in range(0, len(wanted), BLOCK):
        probabilities[start : start + BLOCK] = fitted.predict_proba(embeddings[wanted[start : start + BLOCK]])
    return probabilities


def fit_prototypes(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    temperature: float = 0.08,
    transport_weight: float = 10.0,
    smoothness: float = 0.05,
) -> Prototypes:
    """The mean of each class's labelled embeddings, brought to length 1, less the pool's mean and at length 1 again.

    Centring is Wang et al. 2019, SimpleShot, with the pool for base classes. Then one pass of Poulakakis-Daktylidis and
    Jamali-Rad 2024, BECLR (OpTA): entropic optimal transport (`transport_barycentres`) carries every class
    to a share of the pool, and its barycentre corrects for the few samples that happened to be labelled. Two things
    differ: the barycentre counts as the mean of transport_weight labels beside the class's own instead of replacing it,
    and a class's share is its mean probability under the uncorrected prototypes instead of 1 / c, or the classes of a
    long tail would be sent to the others' samples. transport_weight 0: plain class means.
    """
    check_embeddings("embeddings", embeddings)
    check_pool(embeddings, labels)
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    if not transport_weight >= 0:
        raise ValueError(f"transport_weight must be at least 0, got {transport_weight}")
    if not smoothness > 0:
        raise ValueError(f"smoothness must be positive, got {smoothness}")
    labelled = labelled_rows(labels, n_classes)
    origin = pool_mean(embeddings)
    classes, means = class_means(centred_units(embeddings[labelled], origin), labels[labelled])
    plain = Prototypes(classes, n_classes, unit_rows(means)[0], origin, temperature)
    if not transport_weight:
        return plain
    own = np.bincount(labels[labelled])[classes][:, None]
    carried = transport_barycentres(plain, embeddings, smoothness)
    moved = unit_rows(own * plain.directions + transport_weight * carried)[0]
    return Prototypes(classes, n_classes, moved, origin, temperature)


def transport_barycentres(plain: Prototypes, embeddings: npt.NDArray[Any], smoothness: float) -> Float64Array:
    """Each class's mean (c, d), at length 1, of the pool (n, d) weighted by its row of the transport plan.

    The plan maximises the plan's mean cosine plus smoothness times its entropy; every sample has the same mass, and a
    class its mean probability. Sinkhorn's scaling; a float64 array (n, c) is held.
    """
    blocks = [slice(start, start + BLOCK) for start in range(0, len(embeddings), BLOCK)]
    cosines = np.concatenate([plain.cosines(embeddings[block]) for block in blocks])
    shares = softmax(cosines / plain.temperature, axis=1).mean(axis=0)
    with threadpool_limits(limits=1):
        plan = transport_plan(cosines / smoothness, shares)
        sums = np.zeros_like(plain.directions)
        for block in blocks:
            sums += plan[block].T @ centred_units(embeddings[block], plain.origin)
    return unit_rows(sums)[0]


def transport_plan(logits: Float64Array, shares: Float64Array) -> Float64Array:
    """The plan (n, c), exp(logits) with rows and columns scaled: rows sum to 1 / n, columns to shares (c,), of sum 1.

    Cuturi 2013, Sinkhorn distances. Rows are exact; columns are off by at most 1e-9 after enough, at most 500, steps.
    """
    kernel = np.exp(logits - logits.max(axis=1, keepdims=True))
    scale = np.ones(len(shares))
    for _ in range(MAX_SCALINGS):
        rows = 1.0 / (len(kernel) * (kernel @ scale))
        columns = scale * (rows @ kernel)
        if np.abs(columns - shares).max() <= MARGINAL_TOLERANCE:
            break
        scale *= shares / np.maximum(columns, np.finfo(np.float64).tiny)
    return np.asarray(kernel * scale / (len(kernel) * (kernel @ scale))[:, None])


def pool_mean(embeddings: npt.NDArray[Any]) -> Float64Array:
    """Mean (d,) of the rows (n, d) at length 1. Multiples of 2^-26 add up exactly: the order does not matter."""
    sums = np.zeros(embeddings.shape[1])
    for start in range(0, len(embeddings), BLOCK):
        sums += unit_rows(embeddings[start : start + BLOCK])[0].sum(axis=0)
    return np.asarray(sums / max(len(embeddings), 1))


def centred_units(embeddings: npt.NDArray[Any], origin: Float64Array) -> Float64Array:
    """Rows (m, d) at length 1, less origin (d,), at length 1 again. A row that is the origin becomes 0."""
    return unit_rows(unit_rows(embeddings)[0] - origin)[0]


def class_means(units: Float64Array, labels: Int64Array) -> tuple[Int64Array, Float64Array]:
    """The classes (c,) that occur in labels (m,), ascending, and the mean (c, d) of the rows of each."""
    classes = np.unique(labels)
    return classes, np.stack([units[labels == label].mean(axis=0) for label in classes])
