"""The methods that judge given labels, by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from windrow.schemas.check_names import CheckName
from windrow.tasks.algorithms.arrays import BoolArray, Float32Array
from windrow.tasks.algorithms.labels.checks.area_under_margin import judge_by_margin
from windrow.tasks.algorithms.labels.checks.confident_learning import judge_by_confidence
from windrow.tasks.algorithms.labels.checks.cross_split import cross_split
from windrow.tasks.algorithms.labels.checks.early_learning import (
    early_learning_targets,
    judge_by_target,
    softmax_epochs,
)
from windrow.tasks.algorithms.labels.checks.error_norms import el2n_score, last_layer_grand_score
from windrow.tasks.algorithms.labels.checks.label_confidence import (
    confidence_weighted_entropy,
    normalised_margin,
    self_confidence,
)
from windrow.tasks.algorithms.labels.checks.label_noise import LabelJudgement
from windrow.tasks.algorithms.labels.checks.long_tail_calibration import TailCalibrationConfig, tail_calibrated_probe
from windrow.tasks.algorithms.labels.checks.loss_mixture import judge_by_loss
from windrow.tasks.algorithms.labels.checks.neighbor_agreement import judge_by_neighbors
from windrow.tasks.algorithms.labels.checks.noise_ignorant_probe import ignore_noise
from windrow.tasks.algorithms.labels.label_makers import cross_fit
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.labels.checks.judged_labels import N_KEPT, JudgedLabels

# The score (n,) and the verdict (n,), None where the method gives none.
Verdict = tuple[Float32Array, BoolArray | None]


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
    known = {judged.config.l2: judged.predictions} if judged.config.l2 in strengths else {}
    found = ignore_noise(
        judged.embeddings, judged.labels, judged.n_classes, strengths, judged.n_folds, judged.seed, N_KEPT, known
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
    "loss_mixture": lambda judged: _both(judge_by_loss(judged.loss)),
    "small_loss": lambda judged: _both(judged.separation.small_loss),
    "linear_separation": lambda judged: _both(judged.separation.linear),
    "long_tail_calibration": _long_tail_calibration,
    "aum": _aum,
    "el2n": lambda judged: (el2n_score(judged.dynamics, judged.config.probe_training.early_epoch), None),
    "grand": _grand,
    "early_learning": _early_learning,
}
