"""`windrow config`: the config in force as YAML, each value with where it comes from and what it means."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from windrow.schemas.setting_words import meanings
from windrow.tasks.config import CurationConfig, parse_values
from windrow.tasks.config_file import YamlText, read_values
from windrow.tasks.fetching.credentials import written
from windrow.tasks.settings_reference import section_meaning

WIDTH = 100
Place = tuple[str, ...]


def config_in_force(path: Path, overrides: Sequence[str]) -> str:
    """Return the config that a file and `--set` give, as YAML; relative paths start from the current folder."""
    values = read_values(path, overrides, CurationConfig)
    config = parse_values(values, path)
    changed = [tuple(each.partition("=")[0].split(".")) for each in overrides]
    return "\n".join(_lines(config, values, changed, ())) + "\n"


def _lines(section: Any, values: Any, changed: Sequence[Place], place: Place) -> Iterator[str]:
    said, last = meanings(type(section)), ""
    for field in fields(section):
        value, here = getattr(section, field.name), (*place, field.name)
        meaning = said.get(field.name) or section_meaning(field.name, type(value) if is_dataclass(value) else None)
        yield from _comment(meaning) if meaning != last else ()
        last = meaning
        if is_dataclass(value):
            yield f"{field.name}:"
            yield from _indented(_lines(value, values, changed, here))
        elif isinstance(value, tuple) and any(map(is_dataclass, value)):
            yield f"{field.name}:  # {_origin(values, changed, here)}"
            for number, item in enumerate(value):
                yield "  -"
                yield from _indented(_indented(_lines(item, values, changed, (*here, str(number)))))
        else:
            yield f"{field.name}: {yaml_of(written(value))}  # {_origin(values, changed, here)}"


def yaml_of(value: object) -> str:
    """Return a value as YAML in one line."""
    text: str = yaml.dump(value, Dumper=YamlText, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _origin(values: Any, changed: Sequence[Place], place: Place) -> str:
    if any(place[: len(each)] == each or each[: len(place)] == place for each in changed):
        return "--set"
    for part in place:
        if isinstance(values, list) and part.isdecimal() and int(part) < len(values):
            values = values[int(part)]
        elif isinstance(values, Mapping) and part in values:
            values = values[part]
        else:
            return "default"
    return "file"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
    )


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
