"""Sources and their credentials: written down and handed on is a source's name; the URI itself stays in memory.

A run names its sources when it plans (`name_sources`), and what opens files asks for the URI behind a name (`real`).
Workers are told with each call (`knowing`), and processes that a serving one starts by their environment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from windrow.tasks.texts.uris import shown_text, shown_uri

ENVIRONMENT = "WINDROW_SOURCES"
_real: dict[str, str] = {}


def name_sources(sources: Sequence[str]) -> list[str]:
    """Return the name of each source, under which everything is written down; most are their own.

    Two that differ in what is not written have different names, and a name is its own.
    """
    _load()
    return [_name(source) for source in sources]


def _name(source: str) -> str:
    if source in _real:
        return source
    head, uri = _parts(source)
    name = head + shown_uri(uri)
    if name == source:
        return name
    taken, number = name, 1
    while _real.get(taken, source) != source:
        number += 1
        taken = f"{name}&{number}" if "?" in name else f"{name}?{number}"
    _real[taken] = source
    return taken


def _parts(source: str) -> tuple[str, str]:
    """What says how a source is read, as in 'list:', and the URI."""
    before, colons, _ = source.partition("://")
    if not colons:
        return source, ""
    head = source[: len(before) - len(before.rpartition(":")[2])]
    return head, source[len(head) :]


def real(name: str) -> str:
    """Return the source that has this name."""
    _load()
    return _real.get(name, name)


def written(value: Any) -> Any:
    """Return a config, or part of one, as it is recorded: sources by their names, no secret in any text."""
    if isinstance(value, Mapping):
        return {key: written(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(written(each) for each in value)
    return (value if value in _real else without_secrets(value)) if isinstance(value, str) else value


def without_secrets(text: str) -> str:
    """Return the words of an error or a log without the secrets of URIs in them."""
    for name, source in list(_real.items()):
        text = text.replace(source, name)
    return shown_text(text)


def known() -> dict[str, str]:
    """Return the sources that are not their names, by name."""
    _load()
    return dict(_real)


def knowing(sources: Mapping[str, str], function: Callable[..., Any], *args: Any) -> Any:
    """Call a function where these sources are known, in a worker."""
    _real.update(sources)
    return function(*args)


def tell_children() -> None:
    """Let processes that this one starts know the sources."""
    if _real:
        os.environ[ENVIRONMENT] = json.dumps(_real)


@cache
def _load() -> None:
    _real.update(json.loads(os.environ.get(ENVIRONMENT, "{}")))
