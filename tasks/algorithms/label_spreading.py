"""A few labels spread over the pool by several makers, weighed, made honest: the whole of it as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.calibration import apply_temperature, fit_temperature
from windrow.tasks.algorithms.label_makers import LabelMaker, MakerName, cross_fit, ensemble
from windrow.tasks.algorithms.maker_weights import maker_weights
from windrow.tasks.algorithms.named_makers import maker
from windrow.tasks.algorithms.neighbors import Float32Array, Int64Array, NeighborGraph
from windrow.tasks.algorithms.prior_correction import correct_prior

PRIOR: Mapping[MakerName, float] = {"propagation": 2.0}
"""What makers count before their labels are seen, against 1 of every other: only propagation follows the pool where it
bends, the others draw straight lines between classes and agree among themselves. Against equal ones it gained 0.5 to
2.2 points of macro recall on digits with 1 label a class, and moved CIFAR-10 by 0.1."""


@dataclass(frozen=True)
class MakerPredictions:
    """What a maker says, before calibration, float32: pool (n, n_classes) of every sample; held_out (m, n_classes) of
    each of the m labelled samples, in their order, by the labels of others only (`cross_fit`)."""

    pool: Float32Array
    held_out: Float32Array


@dataclass(frozen=True)
class SpreadLabels:
    """What the makers say of the pool, float32 (n, n_classes) each, and what they say together.

    makers: each one's calibrated probabilities; temperatures and weights: theirs, by name. confidence: the probability
    of each class where the pool is as it seems to be; label: int64 (n,), the class that serves rare classes best.
    Labelled rows keep their label, with confidence 1.
    """

    makers: Mapping[MakerName, Float32Array]
    temperatures: Mapping[MakerName, float]
    weights: Mapping[MakerName, float]
    confidence: Float32Array
    label: Int64Array


def predict(make: LabelMaker, labels: Int64Array, n_classes: int, n_folds: int = 5, seed: int = 0) -> MakerPredictions:
    """Use a maker on a pool with labels int64 (n,), -1 where there is none: on all of them, and n_folds times on some.

    Holds (n, n_classes) float32.
    """
    held_out = cross_fit(make, labels, n_classes, n_folds, seed)
    return MakerPredictions(make(labels, np.arange(len(labels))), held_out)


def combine_predictions(
    predictions: Mapping[MakerName, MakerPredictions], labels: Int64Array, combine: Sequence[MakerName]
) -> SpreadLabels:
    """Calibrate and weigh what makers say of a pool with labels int64 (n,), -1 where there is none.

    Each one's out-of-sample predictions of the labelled rows give its temperature, and those of all in `combine` their
    weights (`maker_weights`, from PRIOR). The weighted geometric mean is calibrated class by class and shifted to the
    shares that the classes seem to have in the pool (`correct_prior`).
    """
    known = labels[labels >= 0]
    temperatures = {name: fit_temperature(each.held_out, known) for name, each in predictions.items()}
    held_out = {name: apply_temperature(predictions[name].held_out, temperatures[name]) for name in predictions}
    predicted = {name: apply_temperature(predictions[name].pool, temperatures[name]) for name in predictions}
    weights = maker_weights(
        [held_out[name] for name in combine], known, prior=[PRIOR.get(name, 1.0) for name in combine]
    )
    together = ensemble([held_out[name] for name in combine], list(weights), "geometric")
    pool = ensemble([predicted[name] for name in combine], list(weights), "geometric")
    corrected = correct_prior(together, labels, pool)
    confidence, label = corrected.pool, corrected.even.argmax(axis=1).astype(np.int64)
    confidence[labels >= 0] = np.eye(confidence.shape[1], dtype=np.float32)[known]
    label[labels >= 0] = known
    return SpreadLabels(predicted, temperatures, dict(zip(combine, weights.tolist(), strict=True)), confidence, label)


def spread_labels(
    embeddings: npt.NDArray[Any],
    graph: NeighborGraph,
    labels: Int64Array,
    n_classes: int,
    makers: Sequence[MakerName],
    combine: Sequence[MakerName],
    n_folds: int = 5,
    seed: int = 0,
) -> SpreadLabels:
    """`predict` with each of the makers over a pool of embeddings (n, d) and its k-NN graph; `combine_predictions`."""
    predictions = {
        name: predict(maker(name, embeddings, graph, n_classes), labels, n_classes, n_folds, seed) for name in makers
    }
    return combine_predictions(predictions, labels, combine)
