"""Which methods judge the given labels, and their settings."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, make_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from annotated_types import Gt

from windrow.schemas.settings import IsPath, Settings
from windrow.tasks.algorithms.labels.checks import CHECKS
from windrow.tasks.algorithms.labels.judging.dynamics_probe import ProbeTraining
from windrow.tasks.algorithms.labels.judging.judged_labels import Check

if TYPE_CHECKING:
    CheckName = str
else:
    CheckName = Literal[tuple(CHECKS)]


@dataclass(frozen=True)
class ChosenChecks(Settings):
    """What judges the given labels. docs/how-to/choose-labels.md says what each looks at.

    `default`: Windrow's own judgement, the table `label_quality`. `methods`: others, whose scores and verdicts are rows
    of `label_checks`. None judges a label of a class with fewer than `labels.n_folds` labels. `l2`: of the probes that
    predict a sample from the others. The fields named as a method are its settings; `probe_training` is of el2n, grand,
    forgetting, aum and early_learning.
    `dynamics`: a Parquet file of what a training job recorded of samples by their `sample_index` (int64, the
    registry's): `loss` (a number, or a list of one for each epoch), or `logits` or `probabilities` (a list over the
    classes, or a list of those, one for each epoch), with the names of the classes as a JSON list under `class_names`
    in the schema's metadata; or the folder of a `windrow.TrainingLog`. What aum, el2n, forgetting, loss_mixture and, of
    logits, early_learning say of it are rows of `label_checks` too.
    """

    default: bool = True
    methods: tuple[CheckName, ...] = ()
    dynamics: Annotated[str, IsPath()] | None = None
    l2: Annotated[float, Gt(0)] = 0.001
    probe_training: ProbeTraining = field(default_factory=ProbeTraining)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.methods)) != len(self.methods):
            raise ValueError(f"methods: names repeat: {list(self.methods)}")

    def check(self, name: str) -> Check:
        """Return the method of this name, with its settings."""
        return cast(Check, getattr(self, name, None) or CHECKS[name]())


def _own_fields() -> list[Any]:
    """A field for each method that has settings."""
    return [(name, kind, field(default_factory=kind)) for name, kind in CHECKS.items() if fields(kind)]


if TYPE_CHECKING:
    LabelChecksConfig = ChosenChecks
else:
    LabelChecksConfig = make_dataclass(
        "LabelChecksConfig",
        _own_fields(),
        bases=(ChosenChecks,),
        namespace={"__module__": __name__, "__doc__": ChosenChecks.__doc__},
        frozen=True,
    )
