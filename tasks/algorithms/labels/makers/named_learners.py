"""The makers that learn from labels by their names, each with its settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.label_makers import LabelMaker, LearnerName, labelled_rows
from windrow.tasks.algorithms.labels.makers.gaussian_naive_bayes import gaussian_naive_bayes
from windrow.tasks.algorithms.labels.makers.iterative_labels import Rounds, iterative_labels
from windrow.tasks.algorithms.labels.makers.knn_vote import knn_vote
from windrow.tasks.algorithms.labels.makers.label_propagation import label_propagation
from windrow.tasks.algorithms.labels.makers.logistic_probe import logistic_probe
from windrow.tasks.algorithms.labels.makers.maker_settings import DEFAULT, MakerSettings
from windrow.tasks.algorithms.labels.makers.partial_transport import TransportConfig
from windrow.tasks.algorithms.labels.makers.prediction_smoothing import smooth_predictions
from windrow.tasks.algorithms.labels.makers.prototypes import prototypes
from windrow.tasks.algorithms.labels.makers.row_stream import array_stream
from windrow.tasks.algorithms.labels.makers.semantic_transport import sp2ot_labels
from windrow.tasks.algorithms.labels.makers.setting_rules import PLACE
from windrow.tasks.algorithms.labels.makers.sinkhorn import NotConvergedError, row_blocks
from windrow.tasks.algorithms.labels.makers.smoothed_probe import smoothed_probe
from windrow.tasks.algorithms.labels.makers.soft_probe import SoftProbeConfig
from windrow.tasks.algorithms.labels.makers.spectral_kernel_regression import spectral_kernel_regression
from windrow.tasks.algorithms.labels.makers.transductive_prototypes import (
    TransductivePrototypesConfig,
    transductive_prototypes,
)
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph


def iterative_rounds(
    embeddings: npt.NDArray[Any],
    graph: NeighborGraph,
    labels: Int64Array,
    n_classes: int,
    settings: MakerSettings = DEFAULT,
    *,
    seed: int = 0,
) -> list[SparseProbabilities]:
    """What each round of 'iterative' predicts for the pool: the start (round 0), then n_rounds probes in turn.

    The last is the maker's prediction, its ten most probable classes a sample.
    """
    return _self_trained(embeddings, graph, labels, n_classes, settings, seed).kept


def learner(
    name: LearnerName,
    embeddings: npt.NDArray[Any],
    graph: NeighborGraph,
    n_classes: int,
    settings: MakerSettings,
    seed: int,
) -> LabelMaker:
    """A maker that learns from labels; `named_makers.maker` says what each is."""
    # Settings have the names of the functions' parameters: a test holds their defaults together.
    own = vars(getattr(settings, name))
    every: dict[LearnerName, LabelMaker] = {
        "knn": lambda labels, rows: knn_vote(embeddings, labels, n_classes, rows=rows, **own),
        "propagation": lambda labels, rows: label_propagation(graph, labels, n_classes, rows=rows, **own),
        "probe": lambda labels, rows: _probe(embeddings, labels, n_classes, settings, rows),
        "prototypes": lambda labels, rows: prototypes(embeddings, labels, n_classes, rows=rows, **own),
        "smoothed": _of_all(lambda labels: _smoothed(embeddings, graph, labels, n_classes, settings)),
        "smoothed_probe": lambda labels, rows: smoothed_probe(embeddings, graph, labels, n_classes, rows=rows, **own),
        "naive_bayes": lambda labels, rows: gaussian_naive_bayes(embeddings, labels, n_classes, rows=rows, **own),
        "spectral": lambda labels, rows: spectral_kernel_regression(embeddings, labels, n_classes, rows=rows, **own),
        "transductive": lambda labels, rows: transductive_prototypes(
            embeddings, graph, labels, n_classes, TransductivePrototypesConfig(**own), rows=rows
        ),
        "transport": _of_all(lambda labels: _transported(embeddings, graph, labels, n_classes, settings)),
        "mlp": lambda labels, rows: _network(embeddings, labels, n_classes, settings, seed, rows),
        "iterative": _of_all(
            lambda labels: _self_trained(embeddings, graph, labels, n_classes, settings, seed).probabilities
        ),
    }
    return every[name]


def _of_all(predict: Callable[[Int64Array], Float32Array]) -> LabelMaker:
    return lambda labels, rows: np.asarray(predict(labels)[rows])


def _probe(
    embeddings: npt.NDArray[Any], labels: Int64Array, n_classes: int, settings: MakerSettings, rows: Int64Array
) -> Float32Array:
    own = settings.probe
    needed = 4 * np.count_nonzero(labels >= 0) * embeddings.shape[1]
    if needed <= own.most_held:
        return logistic_probe(embeddings, labels, n_classes, own.l2, own.class_balanced, rows)
    from windrow.tasks.algorithms.labels.makers.streaming_probe import fit_streaming_probe

    labelled_rows(labels, n_classes)
    probe = fit_streaming_probe(array_stream(embeddings, labels), n_classes, own.l2, own.class_balanced)
    return _predict(probe, embeddings, rows)


def _smoothed(
    embeddings: npt.NDArray[Any], graph: NeighborGraph, labels: Int64Array, n_classes: int, settings: MakerSettings
) -> Float32Array:
    predictions = prototypes(embeddings, labels, n_classes, **vars(settings.prototypes))
    return smooth_predictions(graph, predictions, **vars(settings.smoothed)).probabilities


def _transported(
    embeddings: npt.NDArray[Any], graph: NeighborGraph, labels: Int64Array, n_classes: int, settings: MakerSettings
) -> Float32Array:
    own = settings.transport
    start = _probe(embeddings, labels, n_classes, settings, np.arange(len(labels)))
    config = TransportConfig(own.size_weight, own.eps)
    try:
        found = sp2ot_labels(
            start, graph, own.rho, own.semantic_weight, config, labels=labels, gamma=own.gamma, n_steps=own.n_steps
        )
    except NotConvergedError as error:
        raise NotConvergedError(f"{PLACE}.transport: wants a larger eps for this pool, got {own}: {error}") from None
    return found.labels.probabilities


def _network(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    settings: MakerSettings,
    seed: int,
    rows: Int64Array,
) -> Float32Array:
    from windrow.tasks.algorithms.labels.makers.streaming_mlp import StreamedMlpConfig, fit_streaming_mlp

    own, labelled = settings.mlp, labelled_rows(labels, n_classes)
    n_epochs = max(own.n_epochs, -(-own.least_steps // -(-len(labelled) // own.batch_size)))
    # Many passes are made over few rows: those are read from the pool once.
    few = n_epochs > own.n_epochs
    stream = array_stream(embeddings[labelled], labels[labelled]) if few else array_stream(embeddings, labels)
    fields = {key: value for key, value in vars(own).items() if key != "least_steps"}
    config = StreamedMlpConfig(seed=seed, **{**fields, "n_epochs": n_epochs})
    return _predict(fit_streaming_mlp(stream, n_classes, config), embeddings, rows)


def _self_trained(
    embeddings: npt.NDArray[Any],
    graph: NeighborGraph,
    labels: Int64Array,
    n_classes: int,
    settings: MakerSettings,
    seed: int,
) -> Rounds:
    own = settings.iterative
    make = learner(own.start, embeddings, graph, n_classes, settings, seed)
    start = make(labels, np.arange(len(labels)))
    config = SoftProbeConfig(own.l2, own.balance, own.entropy, own.max_iters)
    return iterative_labels(embeddings, start, labels, own.n_rounds, own.labelled_share, config)


class _Fitted(Protocol):
    @property
    def n_classes(self) -> int: ...

    def predict_proba(self, embeddings: npt.NDArray[Any]) -> Float32Array: ...


def _predict(fitted: _Fitted, embeddings: npt.NDArray[Any], rows: Int64Array) -> Float32Array:
    probabilities = np.empty((len(rows), fitted.n_classes), dtype=np.float32)
    for block in row_blocks(len(rows)):
        probabilities[block] = fitted.predict_proba(embeddings[rows[block]])
    return probabilities
