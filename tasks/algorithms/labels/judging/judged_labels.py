"""What the methods that judge given labels start from: each part made once, when the first of them asks for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.judging.dynamics_probe import ProbeTraining, probe_epochs, probe_features
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.labels.judging.training_dynamics import TrainingDynamics, record_dynamics
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import cross_fit_listed, predict_listed
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph

N_KEPT = 20  # classes kept of each prediction
# neighbors: the graph of the judged samples. predictions: what a probe that did not see a label says of its sample.
# quality: Windrow's own judgement. features: what the head sees whose training is watched. dynamics: what that leaves.
Need = Literal["neighbors", "predictions", "quality", "features", "dynamics"]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Check(Settings, ABC):
    """A method that judges given labels: its fields are its settings.

    needs: what it takes of `JudgedLabels` beyond the labels and the embeddings, with all that this is made from. A
    method that takes neighbors has the setting `k`, how many.
    """

    needs: ClassVar[tuple[Need, ...]] = ()

    @abstractmethod
    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the score of each label and the verdict, in the order of `given.labels`."""


@dataclass(frozen=True)
class JudgedLabels:
    """Labels int64 (n,), each from 0 to n_classes - 1, of embeddings (n, d); the rest is made when first asked for.

    l2, n_folds, seed: of the cross-fitted probe behind `predictions`. training: of the head that is watched.
    find_neighbors: the graph of the k nearest among the judged, for k = most_neighbors.
    """

    embeddings: npt.NDArray[Any]
    labels: Int64Array
    n_classes: int
    l2: float = 0.001
    n_folds: int = 5
    seed: int = 0
    training: ProbeTraining = field(default_factory=ProbeTraining)
    most_neighbors: int = 50
    find_neighbors: Callable[[npt.NDArray[Any], int], NeighborGraph] = neighbor_graph
    made: dict[Need, Any] = field(default_factory=dict)

    def once(self, need: Need, make: Callable[[], Made]) -> Made:
        """Return what `make` makes; made when first asked for, and held until `keep` drops it."""
        if need not in self.made:
            self.made[need] = make()
        return cast(Made, self.made[need])

    def keep(self, needs: Collection[Need]) -> None:
        """Drop what is made, except what is among `needs`: a recording takes 12 bytes a label, epoch and run."""
        for need in self.made.keys() - set(needs):
            del self.made[need]

    def nearest(self, k: int) -> NeighborGraph:
        """Return the graph of the k nearest, most_neighbors at most, or of as many as there are."""
        most = min(self.most_neighbors, len(self.labels) - 1)
        graph = self.once("neighbors", lambda: self.find_neighbors(self.embeddings, most))
        return NeighborGraph(graph.indices[:, : min(k, most)], graph.similarity[:, : min(k, most)])

    @property
    def predictions(self) -> SparseProbabilities:
        """What a probe that did not see a sample's label says of it, (n, N_KEPT)."""
        settings = (self.l2, self.n_folds, self.seed, N_KEPT)
        return self.once(
            "predictions", lambda: probe_out_of_sample(self.embeddings, self.labels, self.n_classes, *settings)
        )

    @property
    def loss(self) -> Float64Array:
        """The cross-entropy (n,) of each label by `predictions`, not by the watched head, which memorises labels."""
        return -np.log(np.maximum(self.predictions.of_class(self.labels), SMALLEST_PROBABILITY))

    @property
    def features(self) -> Float32Array:
        """What the watched head sees, float32 (n, d + 1)."""
        return self.once("features", lambda: probe_features(self.embeddings))

    def epochs(self, run: int) -> Iterator[Float32Array]:
        """Return the logits (n, n_classes) after each epoch of one of the head's runs."""
        return probe_epochs(self.features, self.labels, self.n_classes, self.seed + run, self.training)

    @property
    def dynamics(self) -> TrainingDynamics:
        """What the runs of that head leave of each sample."""
        runs = range(self.training.n_seeds)
        return self.once("dynamics", lambda: record_dynamics([self.epochs(run) for run in runs], self.labels))


def probe_out_of_sample(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    l2: float,
    n_folds: int = 5,
    seed: int = 0,
    n_kept: int = N_KEPT,
    left_out: BoolArray | None = None,
) -> SparseProbabilities:
    """Return cross-fitted predictions (n, n_kept) of a logistic probe; left_out (n,) are predicted, never learnt."""
    from windrow.tasks.algorithms.labels.cores.logistic_probe import fit_logistic_probe

    ignored = np.zeros(len(labels), dtype=np.bool_) if left_out is None else left_out

    def maker(training: Int64Array, rows: Int64Array) -> SparseProbabilities:
        probe = fit_logistic_probe(embeddings, np.where(ignored, -1, training), n_classes, l2=l2)
        return predict_listed(probe, embeddings, rows, n_kept)

    return cross_fit_listed(maker, labels, n_classes, n_folds, seed)
