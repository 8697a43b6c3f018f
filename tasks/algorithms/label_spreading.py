"""A few labels spread over the pool by several makers, weighed, made honest: the whole of it as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.calibration import apply_temperature, fit_temperature
from windrow.tasks.algorithms.gaussian_naive_bayes import gaussian_naive_bayes
from windrow.tasks.algorithms.knn_vote import knn_vote
from windrow.tasks.algorithms.label_makers import LabelMaker, MakerName, cross_fit, ensemble
from windrow.tasks.algorithms.label_propagation import label_propagation
from windrow.tasks.algorithms.logistic_probe import logistic_probe
from windrow.tasks.algorithms.maker_weights import maker_weights
from windrow.tasks.algorithms.neighbors import Float32Array, Int64Array, NeighborGraph
from windrow.tasks.algorithms.prediction_smoothing import smooth_predictions
from windrow.tasks.algorithms.prior_correction import correct_prior
from windrow.tasks.algorithms.prototypes import prototypes
from windrow.tasks.algorithms.semantic_transport import sp2ot_labels
from windrow.tasks.algorithms.spectral_kernel_regression import spectral_kernel_regression
from windrow.tasks.algorithms.transductive_prototypes import transductive_prototypes

Embeddings = npt.NDArray[Any]


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


def maker(name: MakerName, embeddings: Embeddings, graph: NeighborGraph, n_classes: int) -> LabelMaker:
    """A maker by its name, as a function of labels (n,) and of the rows to predict.

    smoothed: prototypes, smoothed over the graph; transport: the probe, refined by SP2OT; the others are the modules of
    their name.
    """
    every: dict[MakerName, LabelMaker] = {
        "knn": lambda labels, rows: knn_vote(embeddings, labels, n_classes, rows=rows),
        "propagation": lambda labels, rows: label_propagation(graph, labels, n_classes, rows=rows),
        "probe": lambda labels, rows: logistic_probe(embeddings, labels, n_classes, rows=rows),
        "prototypes": lambda labels, rows: prototypes(embeddings, labels, n_classes, rows=rows),
        "smoothed": _of_all(
            lambda labels: smooth_predictions(graph, prototypes(embeddings, labels, n_classes)).probabilities
        ),
        "naive_bayes": lambda labels, rows: gaussian_naive_bayes(embeddings, labels, n_classes, rows=rows),
        "spectral": lambda labels, rows: spectral_kernel_regression(embeddings, labels, n_classes, rows=rows),
        "transductive": lambda labels, rows: transductive_prototypes(embeddings, graph, labels, n_classes, rows=rows),
        "transport": _of_all(
            lambda labels: (
                sp2ot_labels(logistic_probe(embeddings, labels, n_classes), graph, labels=labels).labels.probabilities
            )
        ),
    }
    return every[name]


def _of_all(predict: Callable[[Int64Array], Float32Array]) -> LabelMaker:
    return lambda labels, rows: np.asarray(predict(labels)[rows])


def spread_labels(
    embeddings: Embeddings,
    graph: NeighborGraph,
    labels: Int64Array,
    n_classes: int,
    makers: Sequence[MakerName],
    combine: Sequence[MakerName],
    n_folds: int = 5,
    seed: int = 0,
) -> SpreadLabels:
    """Spread labels int64 (n,), -1 where there is none, over a pool of embeddings (n, d) and its k-NN graph.

    Each maker's out-of-sample probabilities of the labelled rows (`cross_fit`) give its temperature and its weight. Of
    those in `combine` the weighted geometric mean is calibrated class by class and shifted to the shares that the
    classes seem to have in the pool (`correct_prior`). Holds (n, n_classes) float32 for each maker.
    """
    known = labels[labels >= 0]
    everyone = np.arange(len(labels))
    held_out: dict[MakerName, Float32Array] = {}
    predicted: dict[MakerName, Float32Array] = {}
    temperatures: dict[MakerName, float] = {}
    for name in makers:
        make = maker(name, embeddings, graph, n_classes)
        out_of_sample = cross_fit(make, labels, n_classes, n_folds, seed)
        temperatures[name] = fit_temperature(out_of_sample, known)
        held_out[name] = apply_temperature(out_of_sample, temperatures[name])
        predicted[name] = apply_temperature(make(labels, everyone), temperatures[name])
    weights = maker_weights([held_out[name] for name in combine], known)
    together = ensemble([held_out[name] for name in combine], list(weights), "geometric")
    pool = ensemble([predicted[name] for name in combine], list(weights), "geometric")
    corrected = correct_prior(together, labels, pool)
    confidence, label = corrected.pool, corrected.even.argmax(axis=1).astype(np.int64)
    confidence[labels >= 0] = np.eye(n_classes, dtype=np.float32)[known]
    label[labels >= 0] = known
    return SpreadLabels(predicted, temperatures, dict(zip(combine, weights.tolist(), strict=True)), confidence, label)
