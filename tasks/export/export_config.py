"""The settings of an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, MinLen

from windrow.schemas.settings import IsPath, Settings, check_different
from windrow.schemas.texts.names import check_name
from windrow.schemas.texts.soft_names import SoftKind, SoftLabelSet, soft_label_sets

if TYPE_CHECKING:
    from windrow.schemas.exported import Further

Format = Literal["webdataset", "parquet"]
FORMATS: tuple[Format, ...] = ("webdataset", "parquet")


@dataclass(frozen=True)
class ExportConfig(Settings):
    """How a curated set is exported.

    `what`: 'curated', the selected samples, or 'pool', all candidates, which are those that no rule dropped, with all
    scores; the ones that are not selected are in the split `rest`. `formats`: of the files, one or both.
    `samples_per_shard`: of a shard, at most.

    `sidecars`: whether the files that came with a sample (the other members of its key in a tar, the files beside it)
    go into the WebDataset shards too, byte for byte; where windrow writes a member of that extension itself (`.json`,
    `.cls`, the image's), or readers of tars would decode theirs and fail, theirs is `.json.source`, ...

    `label_set`: the labels that are exported: pseudo, most_probable, given, a maker's name or cluster_1 and up; a
    sample on which they abstain is exported without a label. Of a label set of clusters the number is exported as
    `cluster`.
    `label_sets`: more of them, beside it: what each says is exported as `<label set>_label`,
    `<label set>_label_weight`, ... `soft_labels`: of `label_set` and these, every class's probability, as float16 in
    the order of `classes.txt`: the column `soft_label`; or logits, the column `logits`, whose softmax, when they are
    divided by the temperature that the manifest names, is that; of label sets that makers made of classes.
    `license`: of the set as a whole, for the dataset cards as it is (Hugging Face wants an identifier such as
    'cc-by-4.0'); null: those of its pictures, where all are known.

    `class_names`: what classes are called that are numbers, as in {0: barley, 1: rye}, for the cards and for formats
    that have names beside the numbers. `card`: file with the answers to what only people can say of the set, such as
    its purpose and whether those depicted have agreed; `windrow card` writes one with the questions. They are part of a
    version: when they change, the next run publishes one, without writing its shards again.
    """

    what: Literal["curated", "pool"] = "curated"
    formats: Annotated[tuple[Format, ...], MinLen(1)] = FORMATS
    samples_per_shard: Annotated[int, Ge(1)] = 1000
    sidecars: bool = True
    label_set: Annotated[str, MinLen(1)] = "pseudo"
    label_sets: tuple[str, ...] = ()
    soft_labels: SoftKind = "none"
    license: Annotated[str, MinLen(1)] | None = None
    class_names: Mapping[int, str] = field(default_factory=dict)
    card: Annotated[str, MinLen(1), IsPath()] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_different("formats", self.formats)
        object.__setattr__(self, "formats", tuple(name for name in FORMATS if name in self.formats))
        check_different("label_sets", self.said_by)
        for name in self.label_sets:
            check_name("label_sets", name)
        check_name("label_set", self.label_set)
        if self.license is not None:
            check_name("license", self.license)
        self._check_class_names()

    def _check_class_names(self) -> None:
        for number, name in self.class_names.items():
            check_name(f"class_names.{number}", name)
            if number < 0 or name.strip().isdecimal():
                raise ValueError(f"class_names: wants names that are no numbers, of 0 and up, got {number}: {name!r}")
        check_different("class_names", list(self.class_names.values()))

    @property
    def said_by(self) -> tuple[str, ...]:
        """The label sets that are exported: that of `label` first."""
        return (self.label_set, *self.label_sets)

    @property
    def soft(self) -> list[SoftLabelSet]:
        """The label sets of which every probability is wanted."""
        return soft_label_sets(self.soft_labels, self.said_by)

    @property
    def further(self) -> Further:
        """What is exported of a sample beside the columns of every version."""
        from windrow.schemas.exported import Further  # settings are read without PyArrow

        return Further(self.label_sets, self.what == "pool")


@dataclass(frozen=True)
class StatesExport(ExportConfig):
    """How a curated set is exported whose samples may be of several classes: the settings are the same."""

    @property
    def further(self) -> Further:
        """With the states of classes."""
        return replace(super().further, states=True)

    @classmethod
    def of(cls, config: ExportConfig) -> StatesExport:
        """The same settings for samples that may be of several classes."""
        return cls(**vars(config))
