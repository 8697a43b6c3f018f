"""Every setting of a config: its place, what it may be, its default and what it means, as the code declares it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, get_args

from windrow.schemas.settings import bare, bounds, hints, origin
from windrow.schemas.texts.setting_words import kind_in_words, meanings, summary, wanted
from windrow.tasks.config import CurationConfig


@dataclass(frozen=True)
class Setting:
    """A field of a config.

    place: as errors and `--set` name it, with N for the number of an item of a list. kind, bounds and meaning: in
    words, bounds '' where there are none. default: its value, `dataclasses.MISSING` where it must be said.
    is_section: whether it only holds the settings whose places start with its own.
    """

    place: str
    kind: str
    bounds: str
    default: Any
    meaning: str
    is_section: bool


def settings_reference(kind: Any = CurationConfig, place: str = "") -> Iterator[Setting]:
    """Yield every field of a config, a section before what is in it. Raises ValueError where a meaning is missing."""
    said = meanings(kind)
    for field in fields(kind):
        hint, default = hints(kind)[field.name], field.default
        if field.default_factory is not MISSING:
            default = field.default_factory()
        inner = section_of(hint)
        meaning = said.get(field.name) or section_meaning(field.name, inner)
        if not meaning:
            raise ValueError(f"{kind.__name__}: its docstring says nothing of `{field.name}`")
        limits = " and ".join(filter(None, map(wanted, bounds(hint))))
        here = f"{place}{field.name}"
        yield Setting(here, kind_in_words(hint), limits, default, meaning, inner is hint)
        if inner:
            yield from settings_reference(inner, f"{here}.N." if origin(bare(hint)) is tuple else f"{here}.")


def section_meaning(name: str, kind: Any) -> str:
    """What is said of a section, where the docstring around it does not; '' where there is none."""
    return summary(kind) or f"the settings of {name}." if kind else ""


def section_of(hint: Any) -> Any:
    """The dataclass that a field holds, itself, as an item of a list or besides null; None where it holds none."""
    kind = bare(hint)
    kind = bare(get_args(kind)[0]) if origin(kind) is tuple else kind
    return kind if is_dataclass(kind) else None
