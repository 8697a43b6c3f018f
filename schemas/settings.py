"""Settings: frozen dataclasses that refuse unknown fields and values out of bounds, and say what came.

A bound stands where the field is declared, `k: Annotated[int, Ge(1)] = 20`, with the classes of `annotated_types`: from
there it reaches pydantic (YAML, Prefect's form), the JSON Schema, the reference of the documentation, and whoever makes
the class by hand. So does `IsPath()`. A rule between fields is a `__post_init__` that calls `super().__post_init__()`
first and raises ValueError('field: wants ..., got ...'). Settings know their own fields' names only: where they stand
in a file is the file's to say. The docstring says of each field what it means, as `setting_words.meanings` reads it.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import BaseMetadata, GroupedMetadata

from windrow.schemas.texts.names import check_text
from windrow.schemas.texts.setting_words import holds, meanings, summary, wanted

Hint = Any


class Settings:
    """The base of settings, each a `@dataclass(frozen=True)`. Raises ValueError naming the field, and what came.

    `aliases`: other names of fields, as they may stand in a file.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    aliases: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        for name, hint in hints(type(self)).items():
            _check(name, getattr(self, name), hint)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core.core_schema import no_info_before_validator_function

        inner = dict(handler(source))
        return no_info_before_validator_function(cls._meant, inner, ref=inner.pop("ref", None))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> Any:
        found = handler(schema)
        told = handler.resolve_ref_schema(found)
        told["description"] = summary(cls)
        for name, meaning in meanings(cls).items():
            told["properties"][name].setdefault("description", meaning)
        return found

    @classmethod
    def _meant(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        numbers = {name for name, hint in hints(cls).items() if bare(hint) in (int, float)}
        return {
            name: str(value).lower() if isinstance(value, bool) and name in numbers else value  # true is not 1
            for name, value in as_meant(cls, values).items()
        }


@dataclass(frozen=True)
class IsPath:
    """Marks a text as the path of a file or folder, or its URL.

    `before`: a regular expression of what stands before the path, such as `list:`. `if_there`: likewise, where a text
    is a path only if it begins with a dot or there is such a file. `unless`: texts that are no path.
    """

    before: str = ""
    if_there: str | None = None
    unless: tuple[str, ...] = ()


def origin(hint: Hint) -> Any:
    """What a type is a special case of, such as tuple of tuple[int, ...]; None of a plain one."""
    return get_origin(hint)


def hints(kind: Any) -> dict[str, Hint]:
    """The types of a dataclass's fields, with their bounds."""
    return _hints(kind)


@cache
def _hints(kind: Any) -> dict[str, Hint]:
    found = get_type_hints(kind, include_extras=True)
    return {each.name: found[each.name] for each in fields(kind)}


def bare(hint: Hint) -> Hint:
    """A type without its bounds, and without None where it is that or one other."""
    if origin(hint) is Annotated:
        return bare(get_args(hint)[0])
    if origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        return bare(kinds[0]) if len(kinds) == 1 else hint
    return hint


def section(hint: Hint) -> Hint:
    """The settings class that a value of a type may be, itself or besides a text; else as `bare`."""
    kind = bare(hint)
    kinds = [bare(each) for each in get_args(kind)] if origin(kind) in (Union, types.UnionType) else []
    return next((each for each in kinds if isinstance(each, type) and issubclass(each, Settings)), kind)


def bounds(hint: Hint) -> list[Any]:
    """What a type is annotated with, such as Ge(1) and IsPath()."""
    if origin(hint) is Annotated:
        return [*bounds(get_args(hint)[0]), *_flat(get_args(hint)[1:])]
    kinds = get_args(hint) if origin(hint) in (Union, types.UnionType) else ()
    return [bound for kind in kinds for bound in bounds(kind)]


def check_different(name: str, values: Sequence[object]) -> None:
    """Raise ValueError naming the field when two values are the same."""
    if len(set(values)) < len(values):
        raise ValueError(f"{name}: wants each once, got {list(values)}")


def as_meant(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a file's values for a class mean: an empty section or list is its default, a text may be a list of one."""
    known, other = hints(kind), kind.aliases if isinstance(kind, type) and issubclass(kind, Settings) else {}
    named = {other[name] if other.get(name, name) not in values else name: value for name, value in values.items()}
    return {
        name: _of_kind(value, known.get(name))
        for name, value in named.items()
        if value is not None or not _may_be_empty(known.get(name))
    }


def _of_kind(value: Any, hint: Hint) -> Any:
    kind = _beside_words(hint)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and origin(kind) is tuple and not _is_word(value, hint):
        item = bare(get_args(kind)[0])
        items = [bare(each) for each in get_args(item)] if origin(item) in (Union, types.UnionType) else [item]
        return [value] if str in items or origin(item) is Literal else value
    return value


def _beside_words(hint: Hint) -> Hint:
    """A type, as `bare`, without words that may stand in its place: the list of `tuple[str, ...] | Literal["all"]`."""
    kind = bare(hint)
    kinds = get_args(kind) if origin(kind) in (Union, types.UnionType) else ()
    others = [bare(each) for each in kinds if origin(bare(each)) is not Literal]
    return others[0] if len(others) == 1 else kind


def _may_be_empty(hint: Hint) -> bool:
    """Whether null, which a heading with nothing below it is in YAML, stands for the default."""
    return origin(_beside_words(hint)) in (tuple, Mapping) or (isinstance(hint, type) and issubclass(hint, Settings))


def _check(name: str, value: object, hint: Hint) -> None:
    kind = bare(hint)
    if isinstance(value, str):
        check_text(name, value)
    if (value is None and hint is not kind) or _is_word(value, hint) or isinstance(value, Settings):
        return
    wants = [phrase for bound in bounds(hint) for phrase in [wanted(bound)] if phrase and not holds(value, bound)]
    if wants:
        raise ValueError(f"{name}: wants {' and '.join(wants)}, got {value!r}")
    if origin(kind) is Literal and value not in get_args(kind):
        raise ValueError(f"{name}: wants one of {', '.join(map(repr, get_args(kind)))}, got {value!r}")
    kind = _beside_words(hint)
    if origin(kind) is tuple:
        _check_list(name, value, get_args(kind))
    elif isinstance(value, Mapping) and len(get_args(kind)) == 2:
        for key, each in value.items():
            _check(f"{name}.{key}", each, get_args(kind)[1])


def _is_word(value: object, hint: Hint) -> bool:
    """Whether a value is a word that stands beside other kinds, as 'auto' in `float | Literal["auto"]`."""
    return isinstance(value, str) and any(value in get_args(kind) for kind in get_args(hint) if origin(kind) is Literal)


def _check_list(name: str, value: object, kinds: tuple[Hint, ...]) -> None:
    if not isinstance(value, tuple | list):
        raise ValueError(f"{name}: wants a list, got {value!r}")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        for number, each in enumerate(value):
            _check(f"{name}.{number}", each, kinds[0])


def _flat(annotations: Sequence[Any]) -> Iterator[BaseMetadata]:
    for each in annotations:
        if isinstance(each, GroupedMetadata):
            yield from _flat(list(each))
        else:
            yield each
