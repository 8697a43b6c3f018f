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
    unit_rows,
)
from windrow.tasks.algorithms.labels.cores.semi_dual import class_logs, columns_of, plan_rows
from windrow.tasks.algorithms.labels.cores.standardisation import CentredRows, centred_units, class_means
from windrow.tasks.algorithms.labels.folds import Predict, check_pool, labelled_rows
from windrow.tasks.algorithms.labels.maker import LabelPool, Maker, NotNegative, Positive
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import PredictListed, predict_listed
from windrow.tasks.algorithms.labels.probabilities import predict_rows

SMOOTHNESS = 0.05  # the weight of the transport plan's entropy


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
        check_embeddings("embeddings", pool.embeddings)
        x, n_classes = pool.centred, pool.n_classes
        return lambda labels, rows: predict_rows(_OfUnits(self._directions(x, labels, n_classes)), x, rows)

    def fit_listed(self, pool: LabelPool) -> PredictListed:
        check_embeddings("embeddings", pool.embeddings)
        x, n_classes, k = pool.centred, pool.n_classes, pool.n_listed or pool.n_classes
        return lambda labels, rows: predict_listed(
            _OfUnits(self._directions(x, labels, n_classes, listed=True)), x, rows, k
        )

    def directions(self, embeddings: npt.NDArray[Any], labels: Int64Array, n_classes: int) -> ClassDirections:
        """The prototypes of embeddings (n, d) with labels int64 (n,), -1 for none. Raises ValueError."""
        check_embeddings("embeddings", embeddings)
        return self._directions(CentredRows(embeddings, memory=0), labels, n_classes)

    def _directions(
        self, pool: CentredRows, labels: Int64Array, n_classes: int, *, listed: bool = False
    ) -> ClassDirections:
        """listed: the pool carries them in `carried_barycentres`, which holds no samples x classes."""
        check_pool(pool.embeddings, labels)
        labelled, origin = labelled_rows(labels, n_classes), pool.origin
        classes, means = class_means(pool[labelled], labels[labelled])
        plain = ClassDirections(classes, n_classes, unit_rows(means)[0], origin, self.temperature)
        if not self.transport_weight:
            return plain
        own = np.bincount(labels[labelled])[classes][:, None]
        if listed:
            from windrow.tasks.algorithms.labels.many_classes.carried_prototypes import carried_barycentres

            carried = carried_barycentres(plain, pool, SMOOTHNESS)
        else:
            carried = transport_barycentres(plain, pool)
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
        return self.shares(centred_units(embeddings, self.origin))

    def shares(self, units: Float64Array) -> Float32Array:
        """The same of `centred_units` (m, d)."""
        from scipy.special import softmax

        probabilities = np.zeros((len(units), self.n_classes), dtype=np.float32)
        probabilities[:, self.classes] = softmax(units @ self.directions.T / self.temperature, axis=1)
        return probabilities


@dataclass(frozen=True)
class _OfUnits:
    """What is predicted of the rows of a `CentredRows`."""

    fitted: ClassDirections

    @property
    def n_classes(self) -> int:
        return self.fitted.n_classes

    def predict_proba(self, embeddings: npt.NDArray[Any]) -> Float32Array:
        return self.fitted.shares(embeddings)


def transport_barycentres(plain: ClassDirections, pool: CentredRows) -> Float64Array:
    """Each class's mean (c, d), at length 1, of the pool (n, d) weighted by its row of the transport plan.

    The plan maximises the plan's mean cosine plus SMOOTHNESS times its entropy; every sample has the same mass, and a
    class its mean probability: see `class_logs`. A float64 array (n, c) is held.
    """
    from scipy.special import softmax

    blocks = row_blocks(len(pool))
    logits = np.concatenate([pool[block] @ plain.directions.T for block in blocks])
    shares = softmax(logits / plain.temperature, axis=1).mean(axis=0)
    logits /= SMOOTHNESS
    logs = class_logs(columns_of(logits), shares, len(logits))
    sums = np.zeros_like(plain.directions)
    with threadpool_limits(limits=1):
        for block in blocks:
            sums += plan_rows(logits[block], logs).T @ pool[block]
    return unit_rows(sums)[0]
