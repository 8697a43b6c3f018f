"""What is wrong with a config, a line for each value: its whole place, what it should be and what came."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, get_args

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import ValidationError

from windrow.schemas.settings import bare, hints, origin, section
from windrow.schemas.texts.setting_words import WORDS, kind_in_words, wanted

Place = tuple[int | str, ...]
MOST = 120
BOUNDS = {
    "greater_than": (Gt, "gt"),
    "greater_than_equal": (Ge, "ge"),
    "less_than": (Lt, "lt"),
    "less_than_equal": (Le, "le"),
    "too_short": (MinLen, "min_length"),
    "string_too_short": (MinLen, "min_length"),
}


def error_lines(error: ValidationError, kind: type, values: Any) -> list[str]:
    """Return a line for each value of `values`, meant for the dataclass `kind`, that is wrong."""
    errors, found = error.errors(), dict[str, list[str]]()
    wrong = {each["loc"][:n] for each in errors for n in range(len(each["loc"]))}
    for each in errors:
        if each["type"] == "too_short" and each["loc"] in wrong:
            continue  # for want of the items that are wrong
        place, text = _told(each, kind, values)
        if text not in found.setdefault(place, []):
            found[place].append(text)
    return [f"{place}: {'; or '.join(texts)}" if place else "; ".join(texts) for place, texts in found.items()]


def _told(error: Any, kind: type, values: Any) -> tuple[str, str]:
    place, came = _walk(error["loc"], values)
    if error["type"] in ("unexpected_keyword_argument", "invalid_key", "invalid_key_type"):
        return _dotted(place), _unknown(place, kind)
    if error["type"] == "value_error":
        return _of_rule(_dotted(place), str(error["ctx"]["error"]))
    if error["type"].startswith("missing"):
        above, _ = _walk(error["loc"][:-1], values)
        return _dotted((*above, *error["loc"][-1:])), "wants a value, and has no default"
    return _dotted(place), f"wants {_wanted(error, _hint(place, kind))}, got {shown(came)}"


def _walk(loc: Sequence[int | str], values: Any) -> tuple[Place, Any]:
    """The part of pydantic's place that is in the values, and what is there: it also names kinds of a union, say."""
    place: Place = ()
    for part in loc:
        is_item = isinstance(values, list | tuple) and isinstance(part, int)
        if is_item or (isinstance(values, Mapping) and part in values):
            place, values = (*place, part), values[part]
    return place, values


def _of_rule(place: str, text: str) -> tuple[str, str]:
    """A rule of settings names the field that it is about first."""
    name = re.match(r"([\w.]+): (.*)", text, re.DOTALL)
    return (f"{place}.{name[1]}".lstrip("."), name[2]) if name else (place, text)


def _wanted(error: Any, hint: Any) -> str:
    if error["type"] in BOUNDS:
        bound, limit = BOUNDS[error["type"]]
        return wanted(bound(error["ctx"][limit]))
    kind = bare(hint)
    if error["type"] == "literal_error":
        return f"one of {error['ctx']['expected'].replace(' or ', ', ')}"
    if is_dataclass(kind):
        return f"fields such as {' and '.join(f'`{name}:`' for name in list(hints(kind))[:2])}"
    words = {name: word for type_, word in WORDS.items() for name in (type_.__name__, "string" if type_ is str else "")}
    return words.get(error["type"].partition("_")[0]) or kind_in_words(kind)


def _unknown(place: Place, kind: type) -> str:
    *above, name = place
    settings = section(_hint(tuple(above), kind))
    known = list(hints(settings))
    close = difflib.get_close_matches(str(name), [*known, *getattr(settings, "aliases", ())], n=1)
    hint = f"did you mean {_dotted((*above, close[0]))}?" if close else f"known are {', '.join(known)}"
    return f"there is no such field; {hint}"


def _hint(place: Place, hint: Any) -> Any:
    """The declared type of what is at a place."""
    for part in place:
        kind = section(hint)
        if is_dataclass(kind):
            hint = hints(kind).get(str(part), object)
        elif get_args(kind):
            hint = get_args(kind)[0 if origin(kind) is tuple else -1]
    return hint


def _dotted(place: Sequence[int | str]) -> str:
    return ".".join(map(str, place))


def shown(value: object) -> str:
    """A value as YAML's reader would know it again, cut where it is long."""
    text = {"None": "null", "True": "true", "False": "false"}.get(repr(value), repr(value))
    return text if len(text) <= MOST else f"{text[:MOST]}..."
