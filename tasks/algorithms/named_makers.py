"""The label makers by their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.gaussian_naive_bayes import gaussian_naive_bayes
from windrow.tasks.algorithms.knn_vote import knn_vote
from windrow.tasks.algorithms.label_makers import LabelMaker, MakerName
from windrow.tasks.algorithms.label_propagation import label_propagation
from windrow.tasks.algorithms.logistic_probe import logistic_probe
from windrow.tasks.algorithms.neighbors import Float32Array, Int64Array, NeighborGraph
from windrow.tasks.algorithms.prediction_smoothing import smooth_predictions
from windrow.tasks.algorithms.prototypes import prototypes
from windrow.tasks.algorithms.semantic_transport import sp2ot_labels
from windrow.tasks.algorithms.smoothed_probe import smoothed_probe
from windrow.tasks.algorithms.spectral_kernel_regression import spectral_kernel_regression
from windrow.tasks.algorithms.transductive_prototypes import transductive_prototypes


def maker(name: MakerName, embeddings: npt.NDArray[Any], graph: NeighborGraph, n_classes: int) -> LabelMaker:
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
        "smoothed_probe": lambda labels, rows: smoothed_probe(embeddings, graph, labels, n_classes, rows=rows),
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
