"""How states of classes are read and spread, where samples may be of several classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt, MinLen

from windrow.schemas.settings import Settings
from windrow.schemas.texts.label_text import named_vocabulary
from windrow.tasks.algorithms.labels.maker import Positive
from windrow.tasks.algorithms.labels.states.state_rule import PositiveOnly
from windrow.tasks.algorithms.labels.text_names import ClassNames, checked_names

OF_FILE = "categories"
"""The vocabulary that is the categories of each file in COCO's format."""
Share = Annotated[float, Gt(0), Lt(1)]


@dataclass(frozen=True)
class CdulConfig(Settings):
    """CDUL's labels: classes by their names, for backbones with a text side ('hf:' and 'open_clip:').

    `class_names`: what the classes are called in the sentences: a list, the names being the labels too, or a mapping
    from label to name; given classes are called by their labels where nothing is said. `templates`: sentences with one
    {} for the name. `scale`: an inverse temperature; null takes the model's.
    `grid`: pictures are cut into grid x grid snippets, each of which is embedded as a picture is.
    `states`: what becomes of classes of which too little is known to hold `promise`: 'abstain', with probabilities but
    no states; 'at-their-word' says what reaches the probability `promise` (present) or 1 - promise (absent), whether
    that is right or not.
    """

    class_names: ClassNames = ()
    templates: Annotated[tuple[str, ...], MinLen(1)] = ("a photo of a {}.",)
    scale: Positive | None = None
    grid: Annotated[int, Ge(2)] = 3
    states: Literal["abstain", "at-their-word"] = "abstain"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "class_names", checked_names(self.class_names, self.templates))


@dataclass(frozen=True)
class MultiLabelConfig(Settings):
    """Labels of samples that may be of several classes, with `kind: multi`. See docs/how-to/multi-label.md.

    `separator`: what stands between the classes of a label that is one text, as `|` in 'cat|dog'; null: a text is one
    class. `vocabulary`: the classes that were looked for in every sample that a file of `given` names; of sources that
    is `ingest.vocabulary`. 'categories': in every image of a file in COCO's format, all of the categories that it has.
    `promise`: the share of what is said to be present that is right, at least, and of what is said to be absent; and of
    what is present no more than the rest to 1 is said to be absent. Where too few states are known to promise it,
    nothing is said. `failure_rate`: the share of all draws of known states in which a class's promise may be broken.
    `positive_only`: what becomes of classes of which no absence is known: 'abstain', with probabilities but no states;
    'elkan-noto' says what reaches the probability `promise` (present) or 1 - promise (absent), which is right only
    where the samples that are given as present are drawn at random from all that are: nothing can check it.
    `penalty`: of the logistic regressions, in samples (scikit-learn's 1 / C).
    `cdul`: say what classes are by their names, too; null: by given states alone. With it `positive_only` has nothing
    to decide.
    """

    separator: Annotated[str, MinLen(1)] | None = None
    vocabulary: tuple[str | int, ...] | Literal["categories"] = ()
    promise: Share = 0.9
    failure_rate: Share = 0.1
    positive_only: PositiveOnly = "abstain"
    penalty: Positive = 0.3
    cdul: CdulConfig | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.vocabulary != OF_FILE:
            object.__setattr__(self, "vocabulary", named_vocabulary("vocabulary", self.vocabulary))
        if self.cdul is not None and self.positive_only != "abstain":
            raise ValueError(f"positive_only: where cdul is asked, it decides nothing; got {self.positive_only!r}")
