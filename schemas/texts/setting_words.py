"""What is said of settings: bounds and types in words, and what each field means, from its class's docstring.

A field's meaning follows its name in the docstring, "`k`: neighbours asked. `l2`, `n_folds`: of the probe.", up to the
next such name or the end of the paragraph; a field without one is told by the first sentence that names it.
"""

from __future__ import annotations

import inspect
import re
import types
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen

NAME = re.compile(r"`(\w+)`")
NAMES = re.compile(r"(?:^|(?<=[.;:?)] ))((?:`\w+`(?:, | and )?)+): ")
WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}


def wanted(bound: Any) -> str:
    """What a bound asks for, in words; '' for what is no bound."""
    match bound:
        case Gt(limit):
            return f"more than {_whole(limit)}"
        case Ge(limit):
            return f"{_whole(limit)} or more"
        case Lt(limit):
            return f"less than {_whole(limit)}"
        case Le(limit):
            return f"{_whole(limit)} or less"
        case MinLen(n):
            return "something" if n == 1 else f"{n} or more"
        case MaxLen(n):
            return f"at most {n}"
    return ""


def _whole(limit: Any) -> Any:
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def holds(value: Any, bound: Any) -> bool:
    """Whether a value keeps a bound; NaN, and what cannot be compared, keeps none."""
    try:
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
            case MaxLen(n):
                return len(value) <= n
    except TypeError:
        return False
    return True


def kind_in_words(hint: Any) -> str:
    """A type in words, as in "a list of 'a' or 'b', or null"."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return kind_in_words(args[0])
    if origin in (Union, types.UnionType):
        return " or ".join(kind_in_words(arg) for arg in args)
    if origin is Literal:
        return " or ".join(map(repr, args))
    if origin is tuple:
        return f"a list of {_plural(kind_in_words(args[0]))}"
    if is_dataclass(hint):
        return "a section"
    if len(args) == 2:
        return f"a mapping of {_plural(kind_in_words(args[0]))} to {_plural(kind_in_words(args[1]))}"
    return WORDS.get(hint, str(hint))


def _plural(words: str) -> str:
    return re.sub(r"\ba (whole number|number|section|list)\b", r"\1s", words).replace("text", "texts")


def meanings(kind: Any) -> dict[str, str]:
    """What the docstrings of a dataclass and those above it say of its fields; what they do not name is missing."""
    return _meanings(kind)


@cache
def _meanings(kind: Any) -> dict[str, str]:
    known, found, named = {each.name for each in fields(kind)}, dict[str, str](), dict[str, str]()
    for each in reversed(kind.__mro__):
        for paragraph in inspect.cleandoc(vars(each).get("__doc__") or "").split("\n\n"):
            text = " ".join(paragraph.split())
            parts = NAMES.split(text)
            for names, meaning in zip(parts[1::2], parts[2::2], strict=True):
                found.update({name: meaning.strip() for name in NAME.findall(names)})
            for sentence in re.split(r"(?<=[.;]) ", text):
                named.update({name: named.get(name, sentence) for name in NAME.findall(sentence)})
    return {name: meaning for name, meaning in {**named, **found}.items() if name in known}


def summary(kind: Any) -> str:
    """The first sentence of a class's docstring; '' where that is about a field."""
    first = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
    return "" if NAMES.match(first) else re.split(r"(?<=\.)\s", first, maxsplit=1)[0]
