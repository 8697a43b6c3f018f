"""Which methods judge the given labels, and their settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from windrow.schemas.labels import CHECKS, CheckName

Pruning = Literal["by noise rate", "by class", "both"]
Family = Literal["beta", "gaussian"]


@dataclass(frozen=True)
class ConfidentLearningConfig:
    """`pruning`: as many as confident learning counts wrong of each pair of classes, of each class, or what both say."""

    pruning: Pruning = "by noise rate"

    def __post_init__(self) -> None:
        _check_one_of("confident_learning.pruning", self.pruning, get_args(Pruning))


@dataclass(frozen=True)
class NeighborAgreementConfig:
    """`k`: neighbours asked, among the judged samples. `temperature`: how much more the nearest weigh.

    `class_balanced`: a vote counts less the more labels its class has.
    """

    k: int = 50
    temperature: float = 0.07
    class_balanced: bool = True

    def __post_init__(self) -> None:
        _check_least("neighbor_agreement.k", self.k, 1)
        _check_positive("neighbor_agreement.temperature", self.temperature)


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
        _check_positive("linear_separation.l2", self.l2)


@dataclass(frozen=True)
class LongTailCalibrationConfig:
    """`n_donors`: frequent classes that a rare one borrows from. `own_share`: what it keeps of its own statistics.

    `outlier_share`: of each class, left out of its statistics.
    """

    n_donors: int = 2
    own_share: float = 0.7
    outlier_share: float = 0.1

    def __post_init__(self) -> None:
        _check_least("long_tail_calibration.n_donors", self.n_donors, 1)
        _check_within("long_tail_calibration.own_share", self.own_share, 1.0)
        _check_within("long_tail_calibration.outlier_share", self.outlier_share, 0.5)


@dataclass(frozen=True)
class ProbeTrainingConfig:
    """The training of a softmax head that aum, el2n, grand, early_learning and loss_mixture watch.

    `n_epochs`: gradient steps over all judged samples. `n_seeds`: heads, each from its own first weights.
    `early_epoch`: from 0, whose errors el2n and grand take.
    """

    n_epochs: int = 40
    n_seeds: int = 3
    learning_rate: float = 10.0
    early_epoch: int = 9

    def __post_init__(self) -> None:
        _check_least("probe_training.n_epochs", self.n_epochs, 1)
        _check_least("probe_training.n_seeds", self.n_seeds, 1)
        _check_positive("probe_training.learning_rate", self.learning_rate)
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
        _check_within("aum.percentile", self.percentile, 100.0)


@dataclass(frozen=True)
class EarlyLearningConfig:
    """`beta`: how slowly the target follows the predictions, 0 for those of the last epoch."""

    beta: float = 0.7

    def __post_init__(self) -> None:
        if not 0 <= self.beta < 1:
            raise ValueError(f"labels.checks.early_learning.beta: wants 0 to below 1, got {self.beta}")


@dataclass(frozen=True)
class LossMixtureConfig:
    """`family`: of the two components of the losses."""

    family: Family = "beta"

    def __post_init__(self) -> None:
        _check_one_of("loss_mixture.family", self.family, get_args(Family))


@dataclass(frozen=True)
class LabelChecksConfig:
    """What judges the given labels. LABELS.md says what each method looks at.

    `default`: Windrow's own judgement, the table `label_quality`. `methods`: others, whose scores and verdicts are rows
    of `label_checks`: self_confidence, normalised_margin, weighted_entropy, confident_learning, noise_transition,
    neighbor_agreement, noise_ignorant_probe, cross_split, small_loss, linear_separation, long_tail_calibration, aum,
    el2n, grand, early_learning, loss_mixture. Labels of a class with fewer than `labels.n_folds` are judged by none.
    `l2`: of the probes that predict a sample from the others. The fields named as a method are its settings;
    `probe_training` is of the five last methods.
    `dynamics`: a Parquet file of what a training job recorded of samples by their `sample_index` (int64, the
    registry's): `loss` (a number, or a list of one for each epoch), or `logits` or `probabilities` (a list over the
    classes, or a list of those, one for each epoch), with the names of the classes as a JSON list under `class_names`
    in the schema's metadata. What aum, el2n, early_learning and loss_mixture say of it are rows of `label_checks` too.
    """

    default: bool = True
    methods: tuple[CheckName, ...] = ()
    dynamics: str | None = None
    l2: float = 0.001
    confident_learning: ConfidentLearningConfig = field(default_factory=ConfidentLearningConfig)
    neighbor_agreement: NeighborAgreementConfig = field(default_factory=NeighborAgreementConfig)
    noise_ignorant_probe: NoiseIgnorantProbeConfig = field(default_factory=NoiseIgnorantProbeConfig)
    linear_separation: LinearSeparationConfig = field(default_factory=LinearSeparationConfig)
    long_tail_calibration: LongTailCalibrationConfig = field(default_factory=LongTailCalibrationConfig)
    probe_training: ProbeTrainingConfig = field(default_factory=ProbeTrainingConfig)
    aum: AumConfig = field(default_factory=AumConfig)
    early_learning: EarlyLearningConfig = field(default_factory=EarlyLearningConfig)
    loss_mixture: LossMixtureConfig = field(default_factory=LossMixtureConfig)

    def __post_init__(self) -> None:
        unknown = [name for name in self.methods if name not in CHECKS]
        if unknown:
            raise ValueError(f"labels.checks.methods: wants some of {', '.join(CHECKS)}; got {unknown[0]!r}")
        if len(set(self.methods)) != len(self.methods):
            raise ValueError(f"labels.checks.methods: names repeat: {list(self.methods)}")
        _check_positive("l2", self.l2)


def _check_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"labels.checks.{name}: wants {least} or more, got {value}")


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"labels.checks.{name}: wants a number above 0, got {value}")


def _check_within(name: str, value: float, limit: float) -> None:
    if not 0 <= value <= limit:
        raise ValueError(f"labels.checks.{name}: wants 0 to {limit:g}, got {value}")


def _check_one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"labels.checks.{name}: wants one of {', '.join(known)}; got {value!r}")
