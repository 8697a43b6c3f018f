"""`windrow config`: the config in force as YAML, each value with where it comes from and what it means."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from windrow.schemas.texts.setting_words import meanings
from windrow.tasks.config import CurationConfig, parse_values
from windrow.tasks.config_file import needs_no_file, read_values
from windrow.tasks.config_yaml import yaml_of
from windrow.tasks.fetching.credentials import written
from windrow.tasks.settings_reference import section_meaning

WIDTH = 100
Place = tuple[str, ...]


def config_in_force(path: Path, overrides: Sequence[str]) -> str:
    """Return the config that a file and `--set` give, as YAML; relative paths start from the current folder."""
    values = read_values(path, overrides, CurationConfig)
    config = parse_values(values, path)
    changed = [tuple(each.partition("=")[0].split(".")) for each in overrides]
    origins = _Origins(values, changed, "folder" if needs_no_file(path) else "file")
    return "\n".join(_lines(config, origins, ())) + "\n"


@dataclass(frozen=True)
class _Origins:
    """Where values come from: those that were read, the places that --set changed, and what was read."""

    values: Any
    changed: Sequence[Place]
    read: str

    def of(self, place: Place) -> str:
        if any(place[: len(each)] == each or each[: len(place)] == place for each in self.changed):
            return "--set"
        values = self.values
        for part in place:
            if isinstance(values, list) and part.isdecimal() and int(part) < len(values):
                values = values[int(part)]
            elif isinstance(values, Mapping) and part in values:
                values = values[part]
            else:
                return "default"
        return self.read


def _lines(section: Any, origins: _Origins, place: Place) -> Iterator[str]:
    said, last = meanings(type(section)), ""
    for field in fields(section):
        value, here = getattr(section, field.name), (*place, field.name)
        meaning = said.get(field.name) or section_meaning(field.name, type(value) if is_dataclass(value) else None)
        yield from _comment(meaning) if meaning != last else ()
        last = meaning
        if is_dataclass(value):
            yield f"{field.name}:"
            yield from _indented(_lines(value, origins, here))
        elif isinstance(value, tuple) and any(map(is_dataclass, value)):
            yield f"{field.name}:  # {origins.of(here)}"
            for number, item in enumerate(value):
                yield "  -"
                yield from _indented(_indented(_lines(item, origins, (*here, str(number)))))
        else:
            yield f"{field.name}: {yaml_of(written(value))}  # {origins.of(here)}"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
    )


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
