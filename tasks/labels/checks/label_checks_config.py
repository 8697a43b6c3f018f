"""Which methods judge the given labels, and their settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from windrow.schemas.check_names import CHECKS, CheckName
from windrow.schemas.settings import IsPath
from windrow.tasks.labels.checks.check_settings import (
    AumConfig,
    ConfidentLearningConfig,
    EarlyLearningConfig,
    LinearSeparationConfig,
    LongTailCalibrationConfig,
    NeighborAgreementConfig,
    NoiseIgnorantProbeConfig,
    ProbeTrainingConfig,
    check_positive,
)


@dataclass(frozen=True)
class LabelChecksConfig:
    """What judges the given labels. LABELS.md says what each method looks at.

    `default`: Windrow's own judgement, the table `label_quality`. `methods`: others, whose scores and verdicts are rows
    of `label_checks`: self_confidence, normalised_margin, weighted_entropy, confident_learning, noise_transition,
    neighbor_agreement, noise_ignorant_probe, cross_split, loss_mixture, small_loss, linear_separation,
    long_tail_calibration, aum, el2n, grand, early_learning. None judges a label of a class with fewer than
    `labels.n_folds` labels. `l2`: of the probes that predict a sample from the others. The fields named as a method are
    its settings; `probe_training` is of the last four methods.
    `dynamics`: a Parquet file of what a training job recorded of samples by their `sample_index` (int64, the
    registry's): `loss` (a number, or a list of one for each epoch), or `logits` or `probabilities` (a list over the
    classes, or a list of those, one for each epoch), with the names of the classes as a JSON list under `class_names`
    in the schema's metadata. What aum, el2n, early_learning and loss_mixture say of it are rows of `label_checks` too.
    """

    default: bool = True
    methods: tuple[CheckName, ...] = ()
    dynamics: Annotated[str, IsPath()] | None = None
    l2: float = 0.001
    confident_learning: ConfidentLearningConfig = field(default_factory=ConfidentLearningConfig)
    neighbor_agreement: NeighborAgreementConfig = field(default_factory=NeighborAgreementConfig)
    noise_ignorant_probe: NoiseIgnorantProbeConfig = field(default_factory=NoiseIgnorantProbeConfig)
    linear_separation: LinearSeparationConfig = field(default_factory=LinearSeparationConfig)
    long_tail_calibration: LongTailCalibrationConfig = field(default_factory=LongTailCalibrationConfig)
    probe_training: ProbeTrainingConfig = field(default_factory=ProbeTrainingConfig)
    aum: AumConfig = field(default_factory=AumConfig)
    early_learning: EarlyLearningConfig = field(default_factory=EarlyLearningConfig)

    def __post_init__(self) -> None:
        unknown = [name for name in self.methods if name not in CHECKS]
        if unknown:
            raise ValueError(f"labels.checks.methods: wants some of {', '.join(CHECKS)}; got {unknown[0]!r}")
        if len(set(self.methods)) != len(self.methods):
            raise ValueError(f"labels.checks.methods: names repeat: {list(self.methods)}")
        check_positive("l2", self.l2)
