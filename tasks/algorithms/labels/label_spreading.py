"""A few labels spread over the pool by several makers, weighed, made honest: the whole of it as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.all_makers import MAKERS
from windrow.tasks.algorithms.labels.combining.calibration import apply_temperature, fit_temperature
from windrow.tasks.algorithms.labels.combining.cautious_temperature import cautious_temperature
from windrow.tasks.algorithms.labels.combining.combination import CombineBy, combine_makers
from windrow.tasks.algorithms.labels.combining.label_prior import PriorConfig, PriorCorrection, apply_prior
from windrow.tasks.algorithms.labels.folds import Predict, cross_fit
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.labels.sparse_probabilities import Probabilities, dense_rows, first_class, of_labels
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

if TYPE_CHECKING:
    from windrow.tasks.algorithms.labels.deciding.label_metric import LabelMetric


@dataclass(frozen=True)
class MakerPredictions:
    """What a maker says, before calibration, float32: pool (n, n_classes) of every sample; held_out (m, n_classes) of
    each of the m labelled samples, in their order, by the labels of others only (`cross_fit`)."""

    pool: Float32Array
    held_out: Float32Array


@dataclass(frozen=True)
class CombineRule:
    """How makers become one answer: `by` is combine_makers's; prior and shares (n_classes,) are apply_prior's.

    metric: how far classes are from each other, for the label that is nearest to all that a sample may be
    (`nearest_labels`); None for the most probable class. Labels that it has beyond the classes may be the answer.
    n_folds, seed: of Dawid and Skene's cross-fit.
    """

    by: CombineBy = "weighted"
    prior: PriorConfig = field(default_factory=PriorConfig)
    shares: Float64Array | None = None
    metric: LabelMetric | None = None
    n_folds: int = 5
    seed: int = 0


@dataclass(frozen=True)
class SpreadLabels:
    """What the makers say of the pool, float32 (n, n_classes) each, or listing some, and what they say together.

    makers and held_out: each one's calibrated probabilities, of the pool and of the m labelled samples by the labels of
    others; temperatures and weights: theirs, by name. confidence: the probability of each class where the pool is as it
    seems to be; label: int64 (n,), the class that serves rare classes best; agreement: float32 (n,), the share of the
    makers whose first class is the most probable one of all together. corrected has the same for the labelled samples,
    by the labels of others, whose classes would be held_out_label. Labelled rows keep their label, with confidence 1.
    """

    makers: Mapping[str, Probabilities]
    held_out: Mapping[str, Probabilities]
    temperatures: Mapping[str, float]
    weights: Mapping[str, float]
    confidence: Probabilities
    label: Int64Array
    agreement: Float32Array
    corrected: PriorCorrection
    held_out_label: Int64Array

    @property
    def most_probable(self) -> Int64Array:
        """int64 (n,), the class that is right most often, the lowest of equals: a given label stands."""
        return first_class(self.confidence)


def predict(make: Predict, labels: Int64Array, n_classes: int, n_folds: int = 5, seed: int = 0) -> MakerPredictions:
    """Use a maker on a pool with labels int64 (n,), -1 where there is none: on all of them, and n_folds times on some.

    Holds (n, n_classes) float32.
    """
    held_out = cross_fit(make, labels, n_classes, n_folds, seed)
    return MakerPredictions(make(labels, np.arange(len(labels))), held_out)


def combine_predictions(
    predictions: Mapping[str, MakerPredictions],
    labels: Int64Array,
    combine: Sequence[str],
    rule: CombineRule | None = None,
) -> SpreadLabels:
    """Calibrate and combine what makers say of a pool with labels int64 (n,), -1 where there is none.

    Each one's out-of-sample predictions of the labelled rows give its temperature. Those in `combine` are combined
    (`combine_makers`, by default a geometric mean weighed by these predictions), calibrated class by class, softened
    (`cautious_temperature`) and shifted to the shares that the classes seem to have in the pool (`apply_prior`).
    """
    rule = rule or CombineRule()
    known = labels[labels >= 0]
    temperatures = {name: fit_temperature(each.held_out, known) for name, each in predictions.items()}
    held_out = {name: apply_temperature(predictions[name].held_out, temperatures[name]) for name in predictions}
    pool = {name: apply_temperature(predictions[name].pool, temperatures[name]) for name in predictions}
    together = combine_makers(
        {name: held_out[name] for name in combine},
        {name: pool[name] for name in combine},
        labels,
        rule.by,
        rule.n_folds,
        rule.seed,
    )
    raw = {name: predictions[name].held_out for name in combine}
    softer = cautious_temperature(raw, known, together.pool.shape[1], rule.by, rule.seed)
    corrected = apply_prior(together.held_out, labels, together.pool, rule.prior, rule.shares, softer)
    confidence, label = of_labels(corrected.pool, labels), _decided(corrected.even, rule.metric)
    label[labels >= 0] = known
    held_out_label = _decided(corrected.held_out_even, rule.metric)
    return SpreadLabels(
        pool, held_out, temperatures, together.weights, confidence, label, together.agreement, corrected, held_out_label
    )


def _decided(said: Probabilities, metric: LabelMetric | None) -> Int64Array:
    if metric is None:
        return first_class(said)
    from windrow.tasks.algorithms.labels.deciding.label_metric import nearest_labels

    probabilities = dense_rows(said)
    return nearest_labels(probabilities, metric, np.arange(probabilities.shape[1])).label


def spread_labels(
    embeddings: npt.NDArray[Any],
    graph: NeighborGraph,
    labels: Int64Array,
    n_classes: int,
    makers: Sequence[str],
    combine: Sequence[str],
    n_folds: int = 5,
    seed: int = 0,
) -> SpreadLabels:
    """`predict` with `MAKERS` of these names, tuned to the labels, and `combine_predictions` of what they say.

    embeddings: (n, d), of a pool whose k-NN graph `graph` is.
    """
    pool = LabelPool(embeddings, n_classes, graph, seed=seed)
    chosen = {name: MAKERS[name]().tuned(pool, labels, n_folds) for name in makers}
    predictions = {name: predict(maker.fit(pool), labels, n_classes, n_folds, seed) for name, maker in chosen.items()}
    return combine_predictions(predictions, labels, combine)
