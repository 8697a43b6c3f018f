"""The methods that judge given labels, by their names; what several of them start from is made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.schemas.labels import CheckName
from windrow.tasks.algorithms.area_under_margin import judge_by_margin
from windrow.tasks.algorithms.confident_learning import judge_by_confidence
from windrow.tasks.algorithms.cross_split import cross_split
from windrow.tasks.algorithms.dynamics_probe import DynamicsProbeConfig, probe_epochs, probe_features
from windrow.tasks.algorithms.early_learning import early_learning_targets, judge_by_target, softmax_epochs
from windrow.tasks.algorithms.error_norms import el2n_score, last_layer_grand_score
from windrow.tasks.algorithms.label_confidence import confidence_weighted_entropy, normalised_margin, self_confidence
from windrow.tasks.algorithms.label_makers import SMALLEST_PROBABILITY, cross_fit
from windrow.tasks.algorithms.label_noise import Flags, LabelJudgement
from windrow.tasks.algorithms.label_quality import LabelQuality, LabelQualityConfig, label_quality
from windrow.tasks.algorithms.long_tail_calibration import TailCalibrationConfig, tail_calibrated_probe
from windrow.tasks.algorithms.loss_mixture import judge_by_loss
from windrow.tasks.algorithms.neighbor_agreement import judge_by_neighbors
from windrow.tasks.algorithms.neighbors import Float32Array, Int64Array, NeighborGraph
from windrow.tasks.algorithms.noise_ignorant_probe import ignore_noise, probe_out_of_sample
from windrow.tasks.algorithms.separation_scores import SeparationScores, separation_scores
from windrow.tasks.algorithms.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.training_dynamics import TrainingDynamics, record_dynamics
from windrow.tasks.stages.label_checks_config import LabelChecksConfig
from windrow.tasks.stages.neighbors import NeighborsConfig, graph_of

N_KEPT = LabelQualityConfig().n_kept
DEFAULT_K = LabelQualityConfig().k

# The score (n,) and the verdict (n,), None where the method gives none.
Verdict = tuple[Float32Array, Flags | None]


@dataclass(frozen=True)
class JudgedLabels:
    """Labels int64 (n,), each from 0 to n_classes - 1, of embeddings (n, d); the rest is made when first asked for.

    `known`: a graph of these n samples that is there already; it is used where it holds enough neighbours.
    """

    embeddings: npt.NDArray[Any]
    labels: Int64Array
    n_classes: int
    config: LabelChecksConfig
    n_folds: int
    seed: int
    known: NeighborGraph | None = None

    def nearest(self, k: int) -> NeighborGraph:
        """The k nearest of each among the judged, or as many as there are."""
        k = min(k, len(self.labels) - 1)
        return NeighborGraph(self._graph.indices[:, :k], self._graph.similarity[:, :k])

    @cached_property
    def _graph(self) -> NeighborGraph:
        k = min(max(DEFAULT_K, self.config.neighbor_agreement.k), len(self.labels) - 1)
        if self.known is not None and self.known.indices.shape[1] >= k:
            return self.known
        return graph_of(self.embeddings, NeighborsConfig(k=k))[0]

    @cached_property
    def predictions(self) -> SparseProbabilities:
        """What a probe that did not see a sample's label says of it."""
        return probe_out_of_sample(
            self.embeddings, self.labels, self.n_classes, self.config.l2, self.n_folds, self.seed, N_KEPT
        )

    @cached_property
    def quality(self) -> LabelQuality:
        """The default method's judgement."""
        config = LabelQualityConfig(l2=self.config.l2, n_folds=self.n_folds, seed=self.seed)
        graph = self.nearest(DEFAULT_K)
        return label_quality(self.embeddings, self.labels, self.n_classes, config, graph, self.predictions)

    @cached_property
    def separation(self) -> SeparationScores:
        """The two scores of LSA, from the losses of labels that were not seen."""
        loss = -np.log(np.maximum(self.predictions.of_class(self.labels), SMALLEST_PROBABILITY))
        return separation_scores(self.embeddings, loss, self.config.linear_separation.l2, self.n_folds, self.seed)

    @property
    def probe(self) -> DynamicsProbeConfig:
        """How the head is trained whose epochs are watched."""
        chosen = self.config.probe_training
        return DynamicsProbeConfig(chosen.n_epochs, chosen.n_seeds, chosen.learning_rate)

    @cached_property
    def features(self) -> Float32Array:
        """What that head sees."""
        return probe_features(self.embeddings)

    def epochs(self, number: int) -> Any:
        """The logits after each epoch of one of its runs."""
        return probe_epochs(self.features, self.labels, self.n_classes, self.seed + number, self.probe)

    @cached_property
    def dynamics(self) -> TrainingDynamics:
        """What the runs of that head leave of each sample."""
        return record_dynamics([self.epochs(number) for number in range(self.probe.n_seeds)], self.labels)


def judge(judged: JudgedLabels, name: CheckName) -> Verdict:
    """What one method says of the labels: the score float32 (n,), and its verdict, None where it gives none."""
    return _JUDGES[name](judged)


def _confident_learning(judged: JudgedLabels) -> Verdict:
    pruning = judged.config.confident_learning.pruning
    return _both(judge_by_confidence(judged.predictions, judged.labels, pruning))


def _neighbor_agreement(judged: JudgedLabels) -> Verdict:
    chosen = judged.config.neighbor_agreement
    graph = judged.nearest(chosen.k)
    return _both(judge_by_neighbors(graph, judged.labels, judged.n_classes, chosen.temperature, chosen.class_balanced))


def _noise_ignorant_probe(judged: JudgedLabels) -> Verdict:
    strengths = judged.config.noise_ignorant_probe.strengths
    found = ignore_noise(
        judged.embeddings, judged.labels, judged.n_classes, strengths, judged.n_folds, judged.seed, N_KEPT
    )
    return _both(found.judge(judged.labels))


def _cross_split(judged: JudgedLabels) -> Verdict:
    settings = (judged.embeddings, judged.labels, judged.n_classes, judged.config.l2, judged.seed, N_KEPT)
    return _both(cross_split(*settings).judgement)


def _long_tail_calibration(judged: JudgedLabels) -> Verdict:
    chosen, n_classes = judged.config.long_tail_calibration, judged.n_classes
    config = TailCalibrationConfig(
        chosen.n_donors, chosen.own_share, chosen.outlier_share, l2=judged.config.l2, seed=judged.seed
    )
    predicted = cross_fit(
        lambda training, rows: tail_calibrated_probe(judged.embeddings, training, n_classes, config, rows),
        judged.labels,
        n_classes,
        judged.n_folds,
        judged.seed,
    )
    return _both(judge_by_confidence(SparseProbabilities.of(predicted, min(N_KEPT, n_classes)), judged.labels))


def _aum(judged: JudgedLabels) -> Verdict:
    settings = (judged.embeddings, judged.labels, judged.n_classes, judged.probe)
    return _both(judge_by_margin(*settings, judged.config.aum.percentile, judged.seed))


def _grand(judged: JudgedLabels) -> Verdict:
    return last_layer_grand_score(judged.dynamics, judged.features, judged.config.probe_training.early_epoch), None


def _early_learning(judged: JudgedLabels) -> Verdict:
    # The first run once more: its targets need all classes' probabilities, of which a recording keeps none.
    targets = early_learning_targets(softmax_epochs(judged.epochs(0)), judged.config.early_learning.beta)
    return _both(judge_by_target(targets, judged.labels))


def _loss_mixture(judged: JudgedLabels) -> Verdict:
    loss = judged.dynamics.recorded("loss").mean(axis=(0, 1), dtype=np.float64)
    return _both(judge_by_loss(loss, judged.config.loss_mixture.family))


def _both(judgement: LabelJudgement) -> Verdict:
    return judgement.score, judgement.noisy


_JUDGES: Mapping[CheckName, Callable[[JudgedLabels], Verdict]] = {
    "self_confidence": lambda judged: (self_confidence(judged.predictions, judged.labels), None),
    "normalised_margin": lambda judged: (normalised_margin(judged.predictions, judged.labels), None),
    "weighted_entropy": lambda judged: (confidence_weighted_entropy(judged.predictions, judged.labels), None),
    "confident_learning": _confident_learning,
    "noise_transition": lambda judged: _both(judged.quality.transition.judge()),
    "neighbor_agreement": _neighbor_agreement,
    "noise_ignorant_probe": _noise_ignorant_probe,
    "cross_split": _cross_split,
    "small_loss": lambda judged: _both(judged.separation.small_loss),
    "linear_separation": lambda judged: _both(judged.separation.linear),
    "long_tail_calibration": _long_tail_calibration,
    "aum": _aum,
    "el2n": lambda judged: (el2n_score(judged.dynamics, judged.config.probe_training.early_epoch), None),
    "grand": _grand,
    "early_learning": _early_learning,
    "loss_mixture": _loss_mixture,
}
