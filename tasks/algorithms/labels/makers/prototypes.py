"""Nearest class mean on the unit sphere, the means moved a little to where the unlabelled pool is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import (
    Float32Array,
    Float64Array,
    Int64Array,
    check_embeddings,
    row_blocks,
    row_maxima,
    unit_rows,
)
from windrow.tasks.algorithms.labels.cores.standardisation import CentredRows, centred_units, class_means
from windrow.tasks.algorithms.labels.folds import Predict, check_pool, labelled_rows
from windrow.tasks.algorithms.labels.maker import LabelPool, Maker, NotNegative, Positive
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import PredictListed, predict_listed
from windrow.tasks.algorithms.labels.probabilities import predict_rows

# Of the transport plan: its entropy's weight, what its rows may miss of a class's mass, and how long it may take.
SMOOTHNESS = 0.05
MARGINAL_TOLERANCE = 1e-9
MAX_SCALINGS = 500


@dataclass(frozen=True)
class Prototypes(Maker):
    """The mean of each class's labelled embeddings, brought to length 1, less the pool's mean and at length 1 again.

    Centring is Wang et al. 2019, SimpleShot, with the pool for base classes. Then one pass of Poulakakis-Daktylidis and
    Jamali-Rad 2024, BECLR (OpTA): entropic optimal transport (`transport_barycentres`) carries every class to a share
    of the pool, and its barycentre corrects for the few samples that happened to be labelled. Two things differ: the
    barycentre counts as the mean of transport_weight labels beside the class's own instead of replacing it, and a
    class's share is its mean probability under the uncorrected prototypes instead of 1 / c, or the classes of a long
    tail would be sent to the others' samples.

    `temperature`: of the softmax of cosines.
    `transport_weight`: labels that the pool's correction of a class's mean counts as; 0 is the plain mean.
    """

    temperature: Positive = 0.08
    transport_weight: NotNegative = 10.0

    def fit(self, pool: LabelPool) -> Predict:
        x, n_classes = pool.embeddings, pool.n_classes
        return lambda labels, rows: predict_rows(self.directions(x, labels, n_classes, pool), x, rows)

    def fit_listed(self, pool: LabelPool) -> PredictListed:
        x, n_classes, k = pool.embeddings, pool.n_classes, pool.n_listed or pool.n_classes
        return lambda labels, rows: predict_listed(self.directions(x, labels, n_classes, pool), x, rows, k)

    def directions(
        self, embeddings: npt.NDArray[Any], labels: Int64Array, n_classes: int, pool: LabelPool | None = None
    ) -> ClassDirections:
        """The prototypes of embeddings (n, d) with labels int64 (n,), -1 for none. Raises ValueError.

        pool: that of the embeddings, which keeps what does not depend on labels. One that `lists` carries prototypes in
        `carried_barycentres`, which holds no samples x classes.
        """
        check_embeddings("embeddings", embeddings)
        check_pool(embeddings, labels)
        labelled = labelled_rows(labels, n_classes)
        pool = pool or LabelPool(embeddings, n_classes)
        origin = pool.centred.origin
        classes, means = class_means(centred_units(embeddings[labelled], origin), labels[labelled])
        plain = ClassDirections(classes, n_classes, unit_rows(means)[0], origin, self.temperature)
        if not self.transport_weight:
            return plain
        own = np.bincount(labels[labelled])[classes][:, None]
        if pool.lists:
            from windrow.tasks.algorithms.labels.many_classes.carried_prototypes import carried_barycentres

            carried = carried_barycentres(plain, embeddings, SMOOTHNESS, MARGINAL_TOLERANCE, MAX_SCALINGS)
        else:
            carried = transport_barycentres(plain, pool.centred)
        moved = unit_rows(own * plain.directions + self.transport_weight * carried)[0]
        return ClassDirections(classes, n_classes, moved, origin, self.temperature)


@dataclass(frozen=True)
class ClassDirections:
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
        from scipy.special import softmax

        probabilities = np.zeros((len(embeddings), self.n_classes), dtype=np.float32)
        probabilities[:, self.classes] = softmax(self.cosines(embeddings) / self.temperature, axis=1)
        return probabilities

    def cosines(self, embeddings: npt.NDArray[Any]) -> Float64Array:
        """Of embeddings (m, d) with each class's direction: float64 (m, c)."""
        return np.asarray(centred_units(embeddings, self.origin) @ self.directions.T)


def transport_barycentres(plain: ClassDirections, centred: CentredRows) -> Float64Array:
    """Each class's mean (c, d), at length 1, of a pool's centred rows (n, d) weighted by its row of the transport plan.

    The plan maximises the plan's mean cosine plus SMOOTHNESS times its entropy; every sample has the same mass, and a
    class its mean probability. Sinkhorn's scaling; a float64 array (n, c) is held.
    """
    from scipy.special import softmax

    blocks = row_blocks(len(centred.embeddings))
    cosines = np.concatenate([centred[block] @ plain.directions.T for block in blocks])
    shares = softmax(cosines / plain.temperature, axis=1).mean(axis=0)
    with threadpool_limits(limits=1):
        plan = transport_plan(cosines / SMOOTHNESS, shares)
        sums = np.zeros_like(plain.directions)
        for block in blocks:
            sums += plan[block].T @ centred[block]
    return unit_rows(sums)[0]


def transport_plan(logits: Float64Array, shares: Float64Array) -> Float64Array:
    """The plan (n, c), exp(logits) with rows and columns scaled: rows sum to 1 / n, columns to shares (c,), of sum 1.

    Cuturi 2013, Sinkhorn distances. Rows are exact; columns are off by at most 1e-9 after enough, at most 500, steps.
    """
    kernel = np.exp(logits - row_maxima(logits))
    scale = np.ones(len(shares))
    for _ in range(MAX_SCALINGS):
        rows = 1.0 / (len(kernel) * (kernel @ scale))
        columns = scale * (rows @ kernel)
        if np.abs(columns - shares).max() <= MARGINAL_TOLERANCE:
            break
        scale *= shares / np.maximum(columns, np.finfo(np.float64).tiny)
    return np.asarray(kernel * scale / (len(kernel) * (kernel @ scale))[:, None])
