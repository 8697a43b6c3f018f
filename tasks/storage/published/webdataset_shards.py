"""A WebDataset shard: a tar with the image, the `.json` and, where there is a label, the `.cls` of each sample."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from windrow.schemas.exported import DESCRIBED, Further
from windrow.tasks.storage.files.tar_writer import TarWriter, Writable
from windrow.tasks.storage.published.member_names import member_names
from windrow.tasks.storage.sources.source import SampleBytes

EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "TIFF": "tiff", "JPEG2000": "jp2"}

Halves = npt.NDArray[np.float16]

DIGITS = 18
"""Of a number that fits into an int64, whatever they are."""

EVERY_VERSION = Further()
PROVENANCE = ("source_uri", "shard", "key")
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


def image_extension(image_format: str) -> str:
    """Return the extension of an image format as Pillow names it ('JPEG' gives 'jpg', 'WEBP' gives 'webp')."""
    return EXTENSIONS.get(image_format, image_format.lower())


def sort_classes(names: Sequence[str]) -> list[str]:
    """Return the distinct class names in order: of their numbers when all are non-negative integers, else of text."""
    return sorted(set(names), key=int if are_numbers(names) else None)


def class_indices(names: Sequence[str]) -> dict[str, int]:
    """Return the index of each class, as `.cls` holds it.

    When every name is a non-negative decimal integer without leading zeros, the index is that integer, so that labels
    of a set that has its own numbering keep it; otherwise, or where one does not fit into an int64, it is the position
    in `sort_classes`.
    """
    if are_numbers(names):
        return {name: int(name) for name in sort_classes(names)}
    return {name: index for index, name in enumerate(sort_classes(names))}


def json_numbers(values: Halves) -> list[float] | None:
    """Return numbers as JSON has them, as short as float16 can be told; None for a row of NaN."""
    return None if np.isnan(values).any() else [float(str(value)) for value in values]


def are_numbers(names: Sequence[str]) -> bool:
    """Say whether every class is named by a non-negative integer, in decimals without leading zeros, within int64."""
    return all(len(name) <= DIGITS and name.isascii() and name.isdecimal() and str(int(name)) == name for name in names)


def describe_sample(
    row: Mapping[str, Any],
    members: Iterable[str] = (),
    names: Sequence[str] = DESCRIBED,
    soft: Mapping[str, Halves] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the JSON of a sample from its row of the plan: the columns `names`, soft labels, and where it was seen.

    members: extensions of the files that came with it, as they are in the shard; the JSON has slashes between them, as
    they hold none. Every sample has every field, null where unknown, or readers that infer types from the first samples
    miss some.
    """
    known = {name: row[name] for name in names} | {name: json_numbers(values) for name, values in soft.items()}
    return {**known, "provenance": {**{name: row[name] for name in PROVENANCE}, "members": "/".join(members)}}


class WebDatasetShard:
    """Writes one shard to a file that the caller opened; the same samples give the same bytes.

    `indices` is the index of each class (`class_indices`); `add` raises KeyError on a label that is not in it.
    `is_image` says whether a file that came with a sample is a picture: see `member_names`.
    """

    def __init__(
        self,
        file: Writable,
        indices: Mapping[str, int],
        is_image: Callable[[bytes], bool],
        further: Further = EVERY_VERSION,
    ) -> None:
        self._tar = TarWriter(file)
        self._names = tuple(sorted(further.described()))  # as the JSON has them: what is sorted need not be
        self._indices = indices
        self._is_image = is_image

    def add(self, row: Mapping[str, Any], sample: SampleBytes, soft: Mapping[str, Halves]) -> int:
        """Add the original bytes of a sample, what the plan and its soft labels say, and the files that came with it.

        Return where the original bytes begin.
        """
        image = image_extension(row["format"])
        named = member_names(sample.members, {image, "json", "cls"}, self._is_image) if sample.members else {}
        told = describe_sample(row, named.values(), self._names, soft)
        description = _ENCODER.encode(told)
        offset = self._tar.add(f"{row['sample_id']}.{image}", sample.data)
        self._tar.add(f"{row['sample_id']}.json", description.encode())
        if row["label"] is not None:
            self._tar.add(f"{row['sample_id']}.cls", str(self._indices[row["label"]]).encode())
        for extension, name in named.items():
            self._tar.add(f"{row['sample_id']}.{name}", sample.members[extension])
        return offset

    def __enter__(self) -> Self:
        self._tar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.__exit__(kind, error, trace)
