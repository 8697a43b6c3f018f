"""The settings of what a curated set is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt, MinLen

from windrow.schemas.settings import IsPath, Settings
from windrow.tasks.worth.command_words import check_command


@dataclass(frozen=True)
class WorthConfig(Settings):
    """How it is measured what a curated set is worth. See docs/explanation/worth.md.

    `evaluate`: a .csv or .parquet file with columns `label` and `sample_id` (or `key`): samples of the pool to judge
    by; null takes some of the given labels. They and what shares their groups are held out: no label maker is given
    their labels, and they are not exported. `holdout_share`: of the given labels to judge by, where there is no such
    file; 0 holds none out, and fewer than 50 are not held out, as they could tell nothing. `holdout_most`: of them.
    `probe`: what trains on a set: 'logistic' regression or 'knn' on frozen features; 'auto' takes knn for more than 100
    classes. `command`: your own training instead, the words of a command that trains on {train}, predicts {held_out}
    and writes {predictions}. `command_seconds`: it may take for one set. `class_weighted`: whether the probe whose
    verdict counts gives every class the same weight; both are told, but for a command. `n_seeds`: random sets of each
    size. `largest`: samples that a probe trains on; of a larger set its first by rank. `most_changed`: a night keeps
    the last judgement while no more than this share of the pool, of the set and of the held-out samples has changed
    since it was made, and names the version that was judged; 0 judges every night, as does `selection.guard` 'last'.
    `windrow run` always judges. Where samples may be of several classes, the presence and the absence of each class
    weigh the same, 'auto' is 'logistic', and 'knn',
    `evaluate`, `command` and `class_weighted` are refused.
    """

    evaluate: Annotated[str, IsPath()] | None = None
    holdout_share: Annotated[float, Ge(0), Lt(1)] = 0.2
    holdout_most: Annotated[int, Ge(1)] = 500
    probe: Literal["auto", "logistic", "knn"] = "auto"
    command: tuple[Annotated[str, MinLen(1), IsPath("(?!)", if_there="")], ...] = ()
    command_seconds: Annotated[float, Gt(0)] = 3600.0
    class_weighted: bool = False
    n_seeds: Annotated[int, Ge(5)] = 5
    largest: Annotated[int, Ge(1)] = 20_000
    most_changed: Annotated[float, Ge(0), Lt(1)] = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.command:
            check_command(self.command)
        if self.command and self.probe != "auto":
            raise ValueError(f"probe: wants 'auto' beside a command, which is the probe then, got {self.probe!r}")
        if self.command and self.class_weighted:
            raise ValueError("class_weighted: wants false beside a command, which weighs classes as it likes, got true")
