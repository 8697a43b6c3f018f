"""The settings of single methods that judge given labels: the fields of `labels.checks` that bear a method's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Pruning = Literal["by noise rate", "by class", "both"]


@dataclass(frozen=True)
class ConfidentLearningConfig:
    """`pruning`: as many labels as seem wrong of each pair of classes (by noise rate), of each class, or by both."""

    pruning: Pruning = "by noise rate"

    def __post_init__(self) -> None:
        check_one_of("confident_learning.pruning", self.pruning, get_args(Pruning))


@dataclass(frozen=True)
class NeighborAgreementConfig:
    """`k`: neighbours asked, among the judged samples. `temperature`: how much more the nearest weigh.

    `class_balanced`: a vote counts less the more labels its class has.
    """

    k: int = 50
    temperature: float = 0.07
    class_balanced: bool = True

    def __post_init__(self) -> None:
        check_least("neighbor_agreement.k", self.k, 1)
        check_positive("neighbor_agreement.temperature", self.temperature)


@dataclass(frozen=True)
class NoiseIgnorantProbeConfig:
    """`strengths`: of regularisation, to choose from by the labels that the probe did not see; a cross-fit each."""

    strengths: tuple[float, ...] = (0.01, 0.003, 0.001, 0.0003)

    def __post_init__(self) -> None:
        if not self.strengths or not min(self.strengths) > 0:
            given = list(self.strengths)
            raise ValueError(f"labels.checks.noise_ignorant_probe.strengths: wants numbers above 0, got {given}")


@dataclass(frozen=True)
class LinearSeparationConfig:
    """`l2`: of the line between samples of small and of large loss."""

    l2: float = 0.01

    def __post_init__(self) -> None:
        check_positive("linear_separation.l2", self.l2)


@dataclass(frozen=True)
class LongTailCalibrationConfig:
    """`n_donors`: frequent classes that a rare one borrows from. `own_share`: what it keeps of its own statistics.

    `outlier_share`: of each class, left out of its statistics.
    """

    n_donors: int = 2
    own_share: float = 0.7
    outlier_share: float = 0.1

    def __post_init__(self) -> None:
        check_least("long_tail_calibration.n_donors", self.n_donors, 1)
        check_within("long_tail_calibration.own_share", self.own_share, 1.0)
        check_within("long_tail_calibration.outlier_share", self.outlier_share, 0.5)


@dataclass(frozen=True)
class ProbeTrainingConfig:
    """The training of a softmax head that aum, el2n, grand and early_learning watch.

    `n_epochs`: gradient steps over all judged samples. `n_seeds`: heads, each from its own first weights.
    `learning_rate`: of the steps. `early_epoch`: from 0, whose errors el2n and grand take.
    """

    n_epochs: int = 40
    n_seeds: int = 3
    learning_rate: float = 10.0
    early_epoch: int = 9

    def __post_init__(self) -> None:
        check_least("probe_training.n_epochs", self.n_epochs, 1)
        check_least("probe_training.n_seeds", self.n_seeds, 1)
        check_positive("probe_training.learning_rate", self.learning_rate)
        if not 0 <= self.early_epoch < self.n_epochs:
            raise ValueError(
                f"labels.checks.probe_training.early_epoch: wants 0 to below the {self.n_epochs} epochs, "
                f"got {self.early_epoch}"
            )


@dataclass(frozen=True)
class AumConfig:
    """`percentile`: of the margins of labels that are surely wrong; at or below it a label is doubtful."""

    percentile: float = 99.0

    def __post_init__(self) -> None:
        check_within("aum.percentile", self.percentile, 100.0)


@dataclass(frozen=True)
class EarlyLearningConfig:
    """`beta`: how slowly the target follows the predictions, 0 for those of the last epoch."""

    beta: float = 0.7

    def __post_init__(self) -> None:
        if not 0 <= self.beta < 1:
            raise ValueError(f"labels.checks.early_learning.beta: wants 0 to below 1, got {self.beta}")


def check_least(name: str, value: int, least: int) -> None:
    """Raise ValueError naming the field when `value` is below `least`."""
    if value < least:
        raise ValueError(f"labels.checks.{name}: wants {least} or more, got {value}")


def check_positive(name: str, value: float) -> None:
    """Raise ValueError naming the field unless `value` is above 0."""
    if not value > 0:
        raise ValueError(f"labels.checks.{name}: wants a number above 0, got {value}")


def check_within(name: str, value: float, limit: float) -> None:
    """Raise ValueError naming the field unless `value` is from 0 to `limit`."""
    if not 0 <= value <= limit:
        raise ValueError(f"labels.checks.{name}: wants 0 to {limit:g}, got {value}")


def check_one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise ValueError naming the field unless `value` is one of `known`."""
    if value not in known:
        raise ValueError(f"labels.checks.{name}: wants one of {', '.join(known)}; got {value!r}")
