"""Files of annotations in COCO's format: which categories are said to be in which images, and which not to be.

`images` with `id` and `file_name`, `annotations` with `image_id` and `category_id`, and `categories` with `id` and
`name` (https://cocodataset.org/#format-data). LVIS (Gupta et al. 2019, https://www.lvisdataset.org/dataset) names
images by `coco_url`, and lists in `neg_category_ids` which categories are not in an image. Of panoptic files the
`segments_info` are read.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from windrow.schemas.states import ABSENT, PRESENT
from windrow.schemas.texts.label_text import label_of
from windrow.tasks.storage.user_files.coco_entries import read_entries
from windrow.tasks.storage.user_files.user_file import UserFile

_KEPT = 1  # files that are kept as they were read, to the end of the process: a run reads each three times

Id = int | str


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

    Raises ValueError, naming the file and the entry, for one that is no JSON or not whole, without one of the lists,
    and where an entry names an image or a category that is not there, or two entries have one id; and for an image of
    several classes without states.
    """
    facts = path.stat()
    said = _read(path, (facts.st_ino, facts.st_ctime_ns, facts.st_mtime_ns, facts.st_size))
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
def _read(path: Path, state: tuple[int, ...]) -> _Said:
    del state  # a file that was written anew, even at its old time and size, is read anew
    lists = _Lists(path)
    for name, number, entry in read_entries(path):
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
    try:
        path = unquote(urlsplit(named).path) if "://" in named else named
    except ValueError as error:
        raise ValueError(f"{where}: {named!r:.60} is no URL ({error})") from None
    return path.strip().replace("\\", "/").removeprefix("./").lstrip("/") or named


def _list(where: str, name: str, found: Any) -> list[Any]:
    if found is not None and not isinstance(found, list):
        raise ValueError(f"{where}: {name} wants a list, got {found!r:.60}")
    return found or []
