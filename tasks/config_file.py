"""A config as plain values: read from a YAML file, with `--set` on top, and paths that start from where they stand."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args

from windrow.schemas.settings import IsPath, Settings, as_meant, bare, bounds, hints, origin, section
from windrow.tasks.config_yaml import FILE, ConfigError, parse_yaml

__all__ = ["ConfigError", "needs_no_file", "override", "read_values"]


def needs_no_file(path: Path) -> bool:
    """Say whether a folder stands in the place of a config: one for what lies there is taken."""
    return path.is_dir() and not (path / FILE).exists()


def read_values(
    path: Path, overrides: Sequence[str], kind: type[Settings], start: Path | None = None
) -> dict[str, Any]:
    """Return the values of a config file of this kind, changed by 'field.field=value', the value in YAML.

    The file's relative paths start from its folder, as seen from `start` (by default the current folder); those of
    the overrides are left as they are. In the place of a file stands a folder: its windrow.yaml, or without one the
    config that `windrow init` would write there, with the store in the current folder. Raises ConfigError.
    """
    if needs_no_file(path):
        from windrow.tasks.first_config import first_values  # looks into tables

        values, folder = first_values(path), path
    else:
        file = path / FILE if path.is_dir() else path
        values, folder = _read(file), file.parent
    moved: dict[str, Any] = _moved(values, kind, folder, start or Path())
    if folder is path:
        del moved["store"]  # what only reads a folder writes nothing into it
    for each in overrides:
        override(moved, each)
    return moved


def check_there(path: Path) -> None:
    """Raise ConfigError where there is neither a config nor a folder: at once, before anything is imported."""
    if not path.exists():
        raise ConfigError(_no_file(path))


def _no_file(path: Path) -> str:
    return f"there is no file or folder {path}: name a folder of pictures, or a config (`windrow init` writes one)"


def _read(path: Path) -> dict[str, Any]:
    try:
        values = parse_yaml(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise ConfigError(_no_file(path)) from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if not isinstance(values, dict):
        came = "an empty file" if values is None else type(values).__name__
        raise ConfigError(f"{path}: wants fields such as `sources:` and `store:`, got {came}")
    return values


def override(values: dict[str, Any], text: str) -> None:
    """Change one value, as in 'selection.filters.0.keep=width > 8'. Raises ConfigError."""
    name, equals, value = text.partition("=")
    if not equals or not all(name.split(".")):
        raise ConfigError(f"--set wants FIELD=VALUE, got {text!r}")
    *parts, last = name.split(".")
    inner: Any = values
    for part in parts:
        place = _place(inner, part, text)
        if (isinstance(inner, dict) and inner.get(place) is None) or (isinstance(inner, list) and place == len(inner)):
            _put(inner, place, {})
        inner = inner[place]
    _put(inner, _place(inner, last, text), parse_yaml(value.encode(), f"--set {name}"))


def _place(inner: Any, part: str, text: str) -> Any:
    """A field's name, or the number of an item: of those there, or of one more."""
    if isinstance(inner, dict):
        return next((key for key in inner if str(key) == part), part)
    if not isinstance(inner, list):
        raise ConfigError(f"--set {text}: nothing is below {inner!r}, so there is no {part}")
    if not part.isdecimal() or int(part) > len(inner):
        raise ConfigError(f"--set {text}: wants the number of an item, 0 to {len(inner)}, got {part!r}")
    return int(part)


def _put(inner: Any, place: Any, value: Any) -> None:
    if isinstance(inner, list) and place == len(inner):
        inner.append(value)
    else:
        inner[place] = value


def _moved(value: Any, hint: Any, folder: Path, start: Path) -> Any:
    """The value as it is meant, with its paths, as the type says which they are, seen from `start`."""
    kind = section(hint) if isinstance(value, dict) else bare(hint)
    if isinstance(value, dict) and is_dataclass(kind):
        known = hints(kind)
        return {name: _moved(each, known.get(name), folder, start) for name, each in as_meant(kind, value).items()}
    if origin(kind) is tuple:
        hint = get_args(kind)[0]
        if isinstance(value, list):
            return [_moved(each, hint, folder, start) for each in value]
    marks = [bound for bound in bounds(hint) if isinstance(bound, IsPath)]
    return moved_path(value, marks[0], folder, start) if marks and isinstance(value, str) else value


def moved_path(text: str, mark: IsPath, folder: Path, start: Path) -> str:
    """Return a text with the path in it, if that is relative, as seen from `start` rather than from `folder`."""
    for before, may_be_else in ((mark.if_there, True), (mark.before, False)):
        found = re.match(before, text) if before is not None and text not in mark.unless else None
        if found:
            head, path = text[: found.end()], text[found.end() :]
            if not may_be_else or path.startswith(".") or os.path.exists(folder / path):  # noqa: PTH110  (of any text)
                return head + _seen_from(path, folder, start)
    return text


def _seen_from(path: str, folder: Path, start: Path) -> str:
    here, there = os.path.abspath(start), os.path.abspath(folder)  # noqa: PTH100  (links keep their names)
    if not path.strip() or "://" in path or path.startswith(("/", "~")) or here == there:
        return path
    whole = os.path.join(glob.escape(there) if glob.has_magic(path) else there, path)  # noqa: PTH118
    plain = os.path.normpath(whole)
    if os.path.realpath(plain) != os.path.realpath(whole):
        return whole  # '..' behind a link is not the folder above
    for above in (here, glob.escape(here)):
        if f"{plain}/".startswith(f"{above}/"):
            return os.path.relpath(plain, above)
    return plain
