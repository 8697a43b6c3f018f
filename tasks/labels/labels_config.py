"""Where labels come from, who spreads them over the pool, and when a pseudo-label is sure enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Lt, MinLen

from windrow.schemas.settings import IsPath, Settings, check_different
from windrow.schemas.texts.label_text import class_name
from windrow.tasks.algorithms.labels.all_makers import MakerSettings
from windrow.tasks.algorithms.labels.combining.combination import CombineBy, check_combination
from windrow.tasks.algorithms.labels.combining.label_prior import PriorConfig
from windrow.tasks.algorithms.labels.deciding.label_sets import ConformalConfig
from windrow.tasks.labels.checks.label_checks_config import LabelChecksConfig
from windrow.tasks.labels.chosen_makers import chosen_maker
from windrow.tasks.labels.label_policy_config import LabelPolicyConfig
from windrow.tasks.labels.states.multi_label_config import OF_FILE, MultiLabelConfig
from windrow.tasks.labels.unlabelled import UNLABELLED

AnnotatorsBy = Literal["majority", "dawid-skene"]
PSEUDO, MOST_PROBABLE = "pseudo", "most_probable"
"""What the makers say together: the label that serves rare classes best, and the one that is right most often."""
OF_SINGLE = (
    *("annotators", "makers", "settings", "combine", "combine_by", "prior", "policy", "least_belonging", "conformal"),
    *("distances", "unseen_classes", "refit", "checks"),
)
"""The settings that are for samples of one class."""


@dataclass(frozen=True)
class LabelsConfig(Settings):
    """Where labels come from and when a pseudo-label is sure enough. See docs/how-to/choose-labels.md, own-files.md.

    `kind`: 'single', a sample is of one class; 'multi', it may be of several: of each it is present, absent or unknown
    (`multi`), and the settings of makers, policies and checks are for 'single' alone. `multi`: how these states are
    read and spread.
    `given`: 'found' (labels that came with samples), 'none', or a .csv or .parquet file with columns `label` and
    `sample_id` (or `key`); its columns `annotator` and `weight` say who gave each label, and what it counts, 0 to 1;
    or a .json or .json.gz file of annotations in COCO's format (LVIS, panoptic).
    A list of several, 'found' among them: what a later one says of a sample takes the place of what an earlier one
    does; labels with an annotator add up.
    `annotators`: how several labels of a sample become one: by the majority, or by how often each annotator is right
    (dawid-skene, for a file with a column `annotator`). `unlabelled`: spellings, in any case, of 'has no label', in all
    these places and as names of folders. `makers`: methods that spread them over the pool, each into a label set of its
    name: knn,
    propagation, probe, prototypes, smoothed, smoothed_probe, naive_bayes, spectral, transductive, transport, mlp,
    iterative, scan, depict, sela, swav, p2ot, sp2ot, zero_shot, sources; or trusted code of your own,
    `python:module:Name`. `settings`: of each maker, by its name.
    `combine`: makers that make the label sets 'pseudo' (its label serves rare classes best) and 'most_probable' (right
    most often) together. `combine_by`: how: weighted, equal, dawid-skene, daso.
    `prior`: how large the classes are in the pool. `policy`: when to abstain. `least_belonging`: a sample whose
    `belonging` is this or less abstains too, 0 refuses none; with m labels nothing is below 1 / (m + 1): 0.02 wants 49.
    `conformal`: sets of classes that hold the true one, the column `possible`. `distances`: a Parquet or CSV file with
    columns `label`, `other` and `distance`, for labels that are wrong by little. `unseen_classes`: classes of that file
    that no label names, and that may be the answer. `top_k`: classes kept for each sample.
    `n_folds`: of the cross-fits that weigh the makers, calibrate the confidences and judge the given labels. `refit`:
    when makers are tuned and judged anew: 'grown', when a label changes or more than a tenth of the samples or labels
    come or go; until then `windrow run` lets them learn from all labels, and a night predicts and judges only what is
    new and keeps what was said of the rest. 'always' makes the labels depend on the pool alone. `checks`: how these are
    judged (the tables `label_quality` and `label_checks`).
    With labels of fewer than two classes these two are not there, or hold what zero_shot says; of the makers those that
    need no labels predict (zero_shot, and clusters by number). Clusters are no classes, and are not exported as labels.
    """

    kind: Literal["single", "multi"] = "single"
    multi: MultiLabelConfig = field(default_factory=MultiLabelConfig)
    given: Annotated[tuple[Annotated[str, IsPath(unless=("found", "none"))], ...], MinLen(1)] = ("found",)
    annotators: AnnotatorsBy = "majority"
    unlabelled: tuple[str | int, ...] = UNLABELLED
    makers: Annotated[tuple[str, ...], MinLen(1)] = ("propagation", "smoothed", "smoothed_probe")
    settings: MakerSettings = field(default_factory=MakerSettings)
    combine: Annotated[tuple[str, ...], MinLen(1)] = ("propagation", "smoothed", "smoothed_probe")
    combine_by: CombineBy = "weighted"
    prior: PriorConfig = field(default_factory=PriorConfig)
    policy: LabelPolicyConfig = field(default_factory=LabelPolicyConfig)
    least_belonging: Annotated[float, Ge(0), Lt(1)] = 0.02
    conformal: ConformalConfig | None = None
    distances: Annotated[str, IsPath()] | None = None
    unseen_classes: tuple[str | int, ...] = ()
    top_k: Annotated[int, Ge(1)] = 5
    n_folds: Annotated[int, Ge(2)] = 5
    refit: Literal["grown", "always"] = "grown"
    checks: LabelChecksConfig = field(default_factory=LabelChecksConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_different("makers", self.makers)
        check_different("given", self.given)
        if "none" in self.given and len(self.given) > 1:
            raise ValueError(f"given: 'none' stands alone, got {list(self.given)}")
        if self.annotators != "majority" and not self.given_files:
            raise ValueError(f"annotators: {self.annotators} wants a file as labels.given, got {list(self.given)}")
        for name in self.makers:
            try:
                chosen_maker(name, self.settings)
            except ValueError as error:
                raise ValueError(f"makers: {error}") from None
        if not set(self.combine) <= set(self.makers):
            raise ValueError(f"combine: wants some of the makers {list(self.makers)}, got {list(self.combine)}")
        check_combination(self.combine_by, self.combine)
        named = [class_name("unseen_classes", each) for each in self.unseen_classes]
        object.__setattr__(self, "unseen_classes", tuple(named))
        check_different("unseen_classes", named)
        if named and self.distances is None:
            raise ValueError(f"unseen_classes: only labels.distances can lead to them, and there are none; got {named}")
        self._check_kind()

    def _check_kind(self) -> None:
        """A setting that the kind does not heed is refused, or it would do nothing."""
        if self.kind == "single":
            if self.multi != MultiLabelConfig():
                raise ValueError("multi: goes with kind: multi, and kind is single")
            return
        if self.multi.vocabulary == OF_FILE and not self._names_coco():
            raise ValueError(f"multi.vocabulary: {OF_FILE} are those of a .json file of given, got {list(self.given)}")
        usual = LabelsConfig()
        for name in OF_SINGLE:
            if getattr(self, name) != getattr(usual, name):
                raise ValueError(f"{name}: is for samples of one class, and kind is multi; got {getattr(self, name)!r}")

    def _names_coco(self) -> bool:
        from windrow.tasks.storage.user_files.user_file import is_coco

        return any(is_coco(Path(each)) for each in self.given_files)

    @property
    def given_files(self) -> tuple[str, ...]:
        """The files of `given`."""
        return tuple(each for each in self.given if each not in ("found", "none"))

    @property
    def no_label(self) -> tuple[str, ...]:
        """The spellings of `unlabelled`, as text."""
        return tuple(map(str, self.unlabelled))

    def answers(self, classes: Sequence[str]) -> list[str]:
        """Return the classes, and after them those of `unseen_classes` that are not among them."""
        return [*classes, *(str(name) for name in self.unseen_classes if name not in classes)]

    @property
    def named_classes(self) -> tuple[str, ...]:
        """The classes that the settings of zero_shot name, where that is one of the makers."""
        return self.settings.zero_shot.labels() if "zero_shot" in self.makers else ()
