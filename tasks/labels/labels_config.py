"""Where labels come from, who spreads them over the pool, and when a pseudo-label is sure enough."""

from __future__ import annotations

from dataclasses import dataclass, field

from windrow.tasks.algorithms.labels.combining.combination import CombineBy, check_combination
from windrow.tasks.algorithms.labels.combining.label_prior import PriorConfig
from windrow.tasks.algorithms.labels.deciding.label_sets import ConformalConfig
from windrow.tasks.algorithms.labels.makers import MakerSettings
from windrow.tasks.labels.checks.label_checks_config import LabelChecksConfig
from windrow.tasks.labels.chosen_makers import chosen_maker
from windrow.tasks.labels.label_policy_config import LabelPolicyConfig


@dataclass(frozen=True)
class LabelsConfig:
    """Where labels come from and when a pseudo-label is sure enough. LABELS.md says which setting is for what.

    `given`: 'found' (labels that came with samples), 'none', or a Parquet or CSV file with columns `label` and
    `sample_id` (or `key`). `makers`: methods that spread them over the pool, each into a label set of its name: knn,
    propagation, probe, prototypes, smoothed, smoothed_probe, naive_bayes, spectral, transductive, transport, mlp,
    iterative, scan, depict, sela, swav, p2ot, sp2ot, zero_shot, sources; or trusted code of your own,
    `python:module:Name`. `settings`: of each maker, by its name.
    `combine`: makers that make the label set 'pseudo' together; `combine_by`: how (weighted, equal, dawid-skene, daso).
    `prior`: how large the classes are in the pool. `policy`: when to abstain; `least_belonging`: a sample whose
    `belonging` is this or less abstains too, 0 refuses none; with m labels nothing is below 1 / (m + 1): 0.02 wants 49.
    `conformal`: sets of classes that hold the true one, the column `possible`. `distances`: a Parquet or CSV file with
    columns `label`, `other` and `distance`, for labels that are wrong by little. `top_k`: classes kept for each sample.
    `n_folds`: of the cross-fits that weigh the makers, calibrate the confidences and judge the given labels. `checks`:
    how these are judged (the tables `label_quality` and `label_checks`).
    With labels of fewer than two classes 'pseudo' holds what zero_shot says, or else the coarsest clusters; of the
    makers those that need no labels predict (zero_shot, and clusters by number).
    """

    given: str = "found"
    makers: tuple[str, ...] = ("propagation", "smoothed", "smoothed_probe")
    settings: MakerSettings = field(default_factory=MakerSettings)
    combine: tuple[str, ...] = ("propagation", "smoothed", "smoothed_probe")
    combine_by: CombineBy = "weighted"
    prior: PriorConfig = field(default_factory=PriorConfig)
    policy: LabelPolicyConfig = field(default_factory=LabelPolicyConfig)
    least_belonging: float = 0.02
    conformal: ConformalConfig | None = None
    distances: str | None = None
    top_k: int = 5
    n_folds: int = 5
    checks: LabelChecksConfig = field(default_factory=LabelChecksConfig)

    def __post_init__(self) -> None:
        if not self.makers:
            raise ValueError("labels.makers: wants one or more makers, got none")
        for name in self.makers:
            try:
                chosen_maker(name, self.settings)
            except ValueError as error:
                raise ValueError(f"labels.makers: {error}") from None
        if not self.combine or not set(self.combine) <= set(self.makers):
            raise ValueError(f"labels.combine: wants some of the makers {self.makers}, got {self.combine}")
        if len(set(self.makers)) < len(self.makers):
            raise ValueError(f"labels.makers: names repeat: {self.makers}")
        check_combination(self.combine_by, self.combine)
        if not 0 <= self.least_belonging < 1:
            raise ValueError(f"labels.least_belonging: wants a number from 0 to below 1, got {self.least_belonging}")
        if self.top_k < 1 or self.n_folds < 2:
            raise ValueError(f"labels: top_k {self.top_k} wants 1 or more, n_folds {self.n_folds} 2 or more")

    @property
    def named_classes(self) -> tuple[str, ...]:
        """The classes that the settings of zero_shot name, where that is one of the makers."""
        return self.settings.zero_shot.labels() if "zero_shot" in self.makers else ()
