"""The methods that judge given labels: one file a method, whose frozen class is its settings, its needs and its work.

A new method is a class as `Check` describes it (`judging/judged_labels.py`), in a file of its own, and a line here: its
name is then one of `labels.checks.methods`, and its settings, where it has some, are the field of that name.
"""

from __future__ import annotations

from windrow.tasks.algorithms.labels.checks.aum import Aum
from windrow.tasks.algorithms.labels.checks.confident_learning import ConfidentLearning
from windrow.tasks.algorithms.labels.checks.cross_split import CrossSplit
from windrow.tasks.algorithms.labels.checks.early_learning import EarlyLearning
from windrow.tasks.algorithms.labels.checks.el2n import El2n
from windrow.tasks.algorithms.labels.checks.forgetting import Forgetting
from windrow.tasks.algorithms.labels.checks.grand import Grand
from windrow.tasks.algorithms.labels.checks.linear_separation import LinearSeparation
from windrow.tasks.algorithms.labels.checks.long_tail_calibration import LongTailCalibration
from windrow.tasks.algorithms.labels.checks.loss_mixture import LossMixture
from windrow.tasks.algorithms.labels.checks.neighbor_agreement import NeighborAgreement
from windrow.tasks.algorithms.labels.checks.noise_ignorant_probe import NoiseIgnorantProbe
from windrow.tasks.algorithms.labels.checks.noise_transition import NoiseTransition
from windrow.tasks.algorithms.labels.checks.normalised_margin import NormalisedMargin
from windrow.tasks.algorithms.labels.checks.self_confidence import SelfConfidence
from windrow.tasks.algorithms.labels.checks.small_loss import SmallLoss
from windrow.tasks.algorithms.labels.checks.weighted_entropy import WeightedEntropy
from windrow.tasks.algorithms.labels.judging.judged_labels import Check

CHECKS: dict[str, type[Check]] = {
    "self_confidence": SelfConfidence,
    "normalised_margin": NormalisedMargin,
    "weighted_entropy": WeightedEntropy,
    "confident_learning": ConfidentLearning,
    "noise_transition": NoiseTransition,
    "neighbor_agreement": NeighborAgreement,
    "noise_ignorant_probe": NoiseIgnorantProbe,
    "cross_split": CrossSplit,
    "loss_mixture": LossMixture,
    "small_loss": SmallLoss,
    "linear_separation": LinearSeparation,
    "long_tail_calibration": LongTailCalibration,
    "aum": Aum,
    "el2n": El2n,
    "forgetting": Forgetting,
    "grand": Grand,
    "early_learning": EarlyLearning,
}
