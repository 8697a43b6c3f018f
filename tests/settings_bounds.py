"""Values just outside the bounds that a settings class declares, so that no test has to list them."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import fields
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MinLen


def out_of_bounds(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the name of a field and a value that it must refuse, for every bound and every choice."""
    hints = get_type_hints(kind, include_extras=True)
    for each in fields(kind):
        for value in _refused(hints[each.name]):
            yield each.name, value


def _refused(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in (Union, types.UnionType):
        for part in get_args(hint):
            yield from _refused(part)
    elif get_origin(hint) is Literal:
        yield "none of them"
    elif get_origin(hint) is tuple:
        yield from ((value,) for value in _refused(get_args(hint)[0]))
    elif get_origin(hint) is Annotated:
        kind, *bounds = get_args(hint)
        yield from _refused(kind)
        for bound in bounds:
            yield from map(_beyond, bound if isinstance(bound, GroupedMetadata) else [bound])


def _beyond(bound: Any) -> Any:
    match bound:
        case Gt(limit) | Lt(limit):
            return limit
        case Ge(limit):
            return limit - 1
        case Le(limit):
            return limit + 1
        case MinLen():
            return ()
    raise TypeError(f"no value lies beyond {bound}")
