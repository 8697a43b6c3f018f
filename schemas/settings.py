"""Settings: frozen dataclasses that refuse unknown fields and values out of bounds, and say what came.

A bound stands where the field is declared, `k: Annotated[int, Ge(1)] = 20`, with the classes of `annotated_types`: from
there it reaches pydantic (YAML, Prefect's form), the JSON Schema, the reference of the documentation, and whoever makes
the class by hand. A rule between fields is a `__post_init__` that calls `super().__post_init__()` first and raises
ValueError('field: wants ..., got ...'). Settings know their own fields' names only: where they stand in a file is the
file's to say.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Union, cast, get_args, get_origin, get_type_hints

from annotated_types import BaseMetadata, Ge, GroupedMetadata, Gt, Le, Lt, MinLen


class Settings:
    """The base of settings, each a `@dataclass(frozen=True)`. Raises ValueError naming the field, and what came."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        for name, hint in _hints(cast(Any, type(self))).items():
            _check(name, getattr(self, name), hint)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {each.name: hints[each.name] for each in fields(kind)}


def _check(name: str, value: object, hint: Any) -> None:
    if get_origin(hint) in (Union, types.UnionType):
        kinds = get_args(hint)
        if value is None and type(None) in kinds:
            return
        kinds = tuple(kind for kind in kinds if kind is not type(None))
        if len(kinds) == 1:  # of several, which one is meant is pydantic's to say
            _check(name, value, kinds[0])
    elif get_origin(hint) is Annotated:
        kind, *bounds = get_args(hint)
        _check(name, value, kind)
        wants = [phrase for bound in _flat(bounds) for phrase in [wanted(bound)] if phrase and not holds(value, bound)]
        if wants:
            raise ValueError(f"{name}: wants {' and '.join(wants)}, got {value!r}")
    elif get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ValueError(f"{name}: wants one of {', '.join(map(repr, get_args(hint)))}, got {value!r}")
    elif get_origin(hint) is tuple and isinstance(value, tuple | list):
        kinds = get_args(hint)
        for number, each in enumerate(value):
            if len(kinds) == 2 and kinds[1] is Ellipsis:
                _check(f"{name}.{number}", each, kinds[0])


def _flat(bounds: list[Any]) -> Iterator[BaseMetadata]:
    for bound in bounds:
        if isinstance(bound, GroupedMetadata):
            yield from _flat(list(bound))
        else:
            yield bound


def wanted(bound: Any) -> str:
    """What a bound asks for, in words; '' for what is no bound."""
    match bound:
        case Gt(limit):
            return f"more than {limit}"
        case Ge(limit):
            return f"{limit} or more"
        case Lt(limit):
            return f"less than {limit}"
        case Le(limit):
            return f"{limit} or less"
        case MinLen(n):
            return "something" if n == 1 else f"{n} or more"
    return ""


def holds(value: Any, bound: Any) -> bool:
    """Whether a value keeps a bound; NaN keeps none."""
    match bound:
        case Gt(limit):
            return bool(value > limit)
        case Ge(limit):
            return bool(value >= limit)
        case Lt(limit):
            return bool(value < limit)
        case Le(limit):
            return bool(value <= limit)
        case MinLen(n):
            return len(value) >= n
    return True
