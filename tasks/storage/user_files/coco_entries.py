"""The lists of a file in COCO's format, an entry at a time: outlines, which are most of it, never become objects.

It is read event by event (https://github.com/ICRAR/ijson): as objects a file takes six times its size.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import ijson

LISTS = ("images", "annotations", "categories")
_ALL = "images, annotations and categories"
_FIELDS = frozenset(
    {"id", "name", "file_name", "coco_url", "neg_category_ids", "image_id", "category_id", "segments_info"}
)
_DEPTH = 4  # a field of a segment in the list of an entry
_STARTS, _ENDS = frozenset({"start_map", "start_array"}), frozenset({"end_map", "end_array"})
_BOM = b"\xef\xbb\xbf"
_AT_ONCE = 1 << 18

Events = Iterator[tuple[str, Any]]


def read_entries(path: Path) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Yield the entries of LISTS with their list and number from 0, and of each the fields that are read.

    Nothing is kept of what nests deeper than these do, however deep. Raises ValueError, naming the file, for one that
    is no JSON or not whole, or without one of LISTS.
    """
    found = set()
    with _parsing(path), _opened(path) as file:
        events = ijson.basic_parse(file, use_float=True, buf_size=_AT_ONCE)
        if next(events)[0] != "start_map":
            raise ValueError(f"{path} is no file of annotations in COCO's format: wants one object with {_ALL}")
        for event, name in events:
            first = next(events, None)  # none after the end of the object
            if event == "end_map" or first is None:
                break
            if name in LISTS and first[0] != "start_array":
                raise ValueError(f"{path}: {name} wants a list")
            if name not in LISTS:
                _value(events, first[0], first[1], 0)
                continue
            found.add(name)
            for number, entry in enumerate(_items(events, _DEPTH)):
                if not isinstance(entry, Mapping):
                    raise ValueError(f"{path}, {name}[{number}] wants an object, got {entry!r:.60}")
                yield name, number, entry
    for name in LISTS:
        if name not in found:
            test = ": it lists images alone, as those of test sets do" if name == "annotations" else ""
            raise ValueError(f"{path} has no {name}{test}; a file of annotations in COCO's format has {_ALL}")


def _value(events: Events, event: str, value: Any, depth: int) -> Any:
    """The value that begins with an event: of objects the fields that are read; None for what is deeper."""
    if event not in _STARTS:
        return value
    if depth and event == "start_array":
        return list(_items(events, depth))
    if depth:
        return dict(_fields(events, depth))
    for event, _ in events:
        if event == "number":  # most of a file
            continue
        depth += (event in _STARTS) - (event in _ENDS)
        if depth < 0:
            break
    return None


def _items(events: Events, depth: int) -> Iterator[Any]:
    for event, value in events:
        if event == "end_array":
            return
        yield _value(events, event, value, depth - 1)


def _fields(events: Events, depth: int) -> Iterator[tuple[str, Any]]:
    for event, name in events:
        if event == "end_map":
            return
        value = _value(events, *next(events), depth - 1 if name in _FIELDS else 0)
        if name in _FIELDS:
            yield name, value


@contextmanager
def _opened(path: Path) -> Iterator[BufferedIOBase]:
    with path.open("rb") as raw, gzip.open(raw) if path.suffix.lower() == ".gz" else raw as file:
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)
        yield file


@contextmanager
def _parsing(path: Path) -> Iterator[None]:
    """Say in a sentence what is wrong with a file that is no JSON, or not one that can be read."""
    try:
        yield
    except (ijson.JSONError, UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        said = error.args[0] if error.args else ""
        text = (said.decode(errors="replace") if isinstance(said, bytes) else str(error)).strip().partition("\n")[0]
        if "trailing garbage" in text or "Additional data" in text:
            raise ValueError(
                f"{path} holds more than one JSON value: JSON Lines are no file of annotations in COCO's format"
            ) from None
        cut = isinstance(error, EOFError) or "premature EOF" in text or "Incomplete" in text
        what = "ends too early: is it whole?" if cut else "is no JSON"
        raise ValueError(f"{path} {what} ({text})") from None
