"""Files of annotations in COCO's format: which categories are said to be in which images, and which not to be.

`images` with `id` and `file_name`, `annotations` with `image_id` and `category_id`, and `categories` with `id` and
`name` (https://cocodataset.org/#format-data). LVIS (Gupta et al. 2019, https://www.lvisdataset.org/dataset) names
images by `coco_url`, and lists in `neg_category_ids` which categories are not in an image. Of panoptic files the
`segments_info` are read. A file is read event by event: most of it are outlines, and as objects it takes six times its
size.
"""

from __future__ import annotations

import gzip
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import ijson
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from windrow.schemas.states import ABSENT, PRESENT
from windrow.schemas.texts.label_text import label_of
from windrow.tasks.storage.user_files.user_file import UserFile

LISTS = ("images", "annotations", "categories")
_ALL = "images, annotations and categories"
_FIELDS = frozenset(
    {"id", "name", "file_name", "coco_url", "neg_category_ids", "image_id", "category_id", "segments_info"}
)
_DEPTH = 4  # a field of a segment in the list of an entry
_STARTS, _ENDS = frozenset({"start_map", "start_array"}), frozenset({"end_map", "end_array"})
_BOM = b"\xef\xbb\xbf"
_AT_ONCE = 1 << 18
_KEPT = 4  # files that are kept as they were read: a run reads each three times

Id = int | str
Events = Iterator[tuple[str, Any]]


@dataclass(frozen=True)
class CocoFile(UserFile):
    """The rows of a file in COCO's format: columns line, key, label and state; the unit is 'image', from 1.

    An image has a row for each class that is said of it; of one of which none is, label and state are null. `classes`:
    those of `categories`, each once.
    """

    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Said:
    """What a file says: the keys of its images, its classes, and pairs (image * len(classes) + class), ordered."""

    keys: pa.Array
    classes: tuple[str, ...]
    present: npt.NDArray[np.int64]
    absent: npt.NDArray[np.int64]


def read_coco(path: Path, with_states: bool) -> CocoFile:
    """Read a file in COCO's format; without states only what is present, which is then one class of each image at most.

    Raises ValueError, naming the file and the entry, for one that is no JSON or not whole, without one of LISTS, and
    where an entry names an image or a category that is not there, or two entries have one id; and for an image of
    several classes without states.
    """
    facts = path.stat()
    said = _read(path, facts.st_mtime_ns, facts.st_size)
    pairs = np.concatenate([said.present, said.absent]) if with_states else said.present
    image, number = np.divmod(pairs, max(len(said.classes), 1))  # of categories that all spell 'no label' there is none
    if not with_states:
        _check_one_class(path, image, number, said.classes)
    others = np.setdiff1d(np.arange(len(said.keys)), image)
    nothing = np.full(len(others), -1)
    images = np.concatenate([image, others])
    columns = {
        "line": images + 1,
        "key": said.keys.take(pa.array(images)),
        "label": _named(said.classes, np.concatenate([number, nothing])),
        "state": _named((PRESENT, ABSENT), np.concatenate([np.arange(len(pairs)) >= len(said.present), nothing])),
    }
    rows = pa.table(columns).take(pa.array(np.argsort(images, kind="stable")))
    return CocoFile(path, rows, "image", classes=said.classes)


def _named(names: Sequence[str], numbers: npt.NDArray[np.int64]) -> pa.Array:
    """Names by their numbers; null for -1."""
    return pa.array(names, pa.large_string()).take(pa.array(numbers, mask=numbers < 0))


def _check_one_class(path: Path, image: npt.NDArray[np.int64], number: npt.NDArray[np.int64], names: Any) -> None:
    twice = np.flatnonzero(image[1:] == image[:-1])
    if len(twice):
        row = int(twice[0])
        raise ValueError(
            f"{path}, image {image[row] + 1}: is of several classes, {names[number[row]]!r} and"
            f" {names[number[row + 1]]!r}; `labels: {{kind: multi}}` reads them"
        )


@lru_cache(_KEPT)
def _read(path: Path, changed_ns: int, n_bytes: int) -> _Said:
    del changed_ns, n_bytes  # a file that was written anew is read anew
    lists = _Lists(path)
    for name, number, entry in _entries(path):
        lists.take(name, f"{path}, {name}[{number}]", entry)
    return lists.said()


class _Lists:
    """What was read of the lists, which may come in any order: ids have codes, in the order in which they are met."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._codes: dict[str, dict[Id, int]] = {"images": {}, "categories": {}}
        self._keys: dict[int, str] = {}
        self._names: dict[int, str | None] = {}
        self._present, self._absent = (array("i"), array("i")), (array("i"), array("i"))

    def take(self, name: str, where: str, entry: Mapping[str, Any]) -> None:
        """Take an entry of a list. Raises ValueError for one that is not as it should be."""
        if name == "images":
            self._take_image(where, entry)
        elif name == "categories":
            self._take_category(where, entry)
        else:
            self._take_annotation(where, entry)

    def _take_category(self, where: str, entry: Mapping[str, Any]) -> None:
        code, name = self._code(where, entry, "id", "categories"), entry.get("name")
        if not isinstance(name, str | int) or isinstance(name, bool) or name == "":
            raise ValueError(f"{where} has no name: wants a text, got {name!r:.60}")
        try:
            kept = label_of(str(name))
        except ValueError as error:
            raise ValueError(f"{where}: the name {error}") from None
        if self._names.setdefault(code, kept) != kept:
            raise ValueError(f"{where}: the id {entry['id']!r} is that of {self._names[code]!r} too")

    def _take_image(self, where: str, entry: Mapping[str, Any]) -> None:
        code = self._code(where, entry, "id", "images")
        if code in self._keys:
            raise ValueError(f"{where}: the id {entry['id']!r} is that of {self._keys[code]!r} too")
        self._keys[code] = _key(where, entry)
        for each in _list(where, "neg_category_ids", entry.get("neg_category_ids")):
            self._add(self._absent, code, self._code(where, {"neg_category_ids": each}, "neg_category_ids"))

    def _take_annotation(self, where: str, entry: Mapping[str, Any]) -> None:
        image = self._code(where, entry, "image_id", "images")
        segments = _list(where, "segments_info", entry["segments_info"]) if "segments_info" in entry else [entry]
        for each in segments:
            self._add(self._present, image, self._code(where, each if isinstance(each, Mapping) else {}, "category_id"))

    def _code(self, where: str, entry: Mapping[str, Any], field: str, name: str = "categories") -> int:
        codes = self._codes[name]
        return codes.setdefault(_id(where, entry, field), len(codes))

    def _add(self, pairs: tuple[array[int], array[int]], image: int, category: int) -> None:
        pairs[0].append(image)
        pairs[1].append(category)

    def said(self) -> _Said:
        """Return what all lists say together. Raises ValueError where one names what another does not have."""
        for name, there in (("images", self._keys), ("categories", self._names)):
            if not there:
                raise ValueError(f"{self._path}: {name} is empty")
            missing = next((each for each, code in self._codes[name].items() if code not in there), None)
            if missing is not None:
                raise ValueError(f"{self._path}: {name} has no id {missing!r:.60}, which another list names")
        classes = tuple(dict.fromkeys(name for name in self._names.values() if name is not None))
        keys = pa.array(self._keys.values(), pa.large_string())
        present, absent = (self._pairs(pairs, classes) for pairs in (self._present, self._absent))
        return _Said(keys, classes, present, absent)

    def _pairs(self, pairs: tuple[array[int], array[int]], classes: Sequence[str]) -> npt.NDArray[np.int64]:
        """Distinct pairs: several annotations of one category, and crowds, are one statement."""
        image_of = np.empty(len(self._keys), np.int64)
        image_of[list(self._keys)] = np.arange(len(self._keys))
        numbers = {name: number for number, name in enumerate(classes)}
        class_of = np.array([-1 if each is None else numbers[each] for _, each in sorted(self._names.items())])
        image, category = (np.asarray(each, np.int64) for each in pairs)
        number = class_of[category]
        return np.unique((image_of[image] * len(classes) + number)[number >= 0])


def _id(where: str, entry: Mapping[str, Any], name: str) -> Id:
    """An id, as a number where it is written as one: some programs write '7' in one list and 7 in another."""
    found = entry.get(name)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int | str) or found == "":
        raise ValueError(f"{where}: {name} wants a number or a text, got {found!r:.60}")
    is_number = isinstance(found, str) and len(found) < 19 and found.isascii() and found.isdigit()
    return int(found) if is_number and str(int(found)) == found else found


def _key(where: str, entry: Mapping[str, Any]) -> str:
    """The path that an image is found by, with slashes: that of `file_name`, or of `coco_url`; of a URL its path."""
    named = entry.get("file_name") or entry.get("coco_url")
    if not isinstance(named, str) or not named.strip():
        raise ValueError(f"{where} has neither file_name nor coco_url: wants a text, got {named!r:.60}")
    path = unquote(urlsplit(named).path) if "://" in named else named
    return path.strip().replace("\\", "/").removeprefix("./").lstrip("/") or named


def _list(where: str, name: str, found: Any) -> list[Any]:
    if found is not None and not isinstance(found, list):
        raise ValueError(f"{where}: {name} wants a list, got {found!r:.60}")
    return found or []


def _entries(path: Path) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Yield the entries of LISTS with their list and number from 0, and of each the fields that are read.

    Nothing is kept of what nests deeper than these do, however deep.
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
                _value(events, *first, 0)
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
def _opened(path: Path) -> Iterator[IO[bytes]]:
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
