"""Whose a sample is: its licence by a name that all spell alike, its author, and where on the web it is from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from windrow.tasks.fetching.fetch_config import WEB
from windrow.tasks.fetching.locations import scheme_of
from windrow.tasks.storage.published.licences import spdx_of
from windrow.tasks.storage.sources.source_shard import Found

AUTHOR_KEYS = ("author", "creator", "artist", "photographer", "credit", "attribution")
URL_KEYS = ("source_url", "url", "image_url", "original_url", "page_url", "landing_url", "foreign_landing_url")


def attribution(found: Found, kind: str) -> dict[str, str | None]:
    """Return the columns spdx, author and source_url of an occurrence; each is null where nothing says it."""
    given = _given(found.metadata)
    urls = [text for text in _texts(given, URL_KEYS) if scheme_of(text) in WEB]
    urls += [found.key] if kind == "url" and scheme_of(found.key) in WEB else []
    return {
        "spdx": spdx_of(found.license) if found.license else None,
        "author": next(_texts(given, AUTHOR_KEYS), None),
        "source_url": urls[0] if urls else None,
    }


def _given(metadata: str | None) -> Mapping[str, Any]:
    return {name.lower(): value for name, value in json.loads(metadata).items()} if metadata else {}


def _texts(given: Mapping[str, Any], keys: Iterable[str]) -> Iterator[str]:
    values = (given.get(key) for key in keys)
    return (value.strip() for value in values if isinstance(value, str) and value.strip())
