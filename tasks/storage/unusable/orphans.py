"""Files of a folder that come with no sample though they are named like files that do, and hold samples themselves."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from windrow.tasks.storage.sources.listing.source_files import open_or_reason
from windrow.tasks.storage.sources.listing.source_place import SourcePlace
from windrow.tasks.storage.sources.source_fields import split_name
from windrow.tasks.storage.sources.source_shard import SourceFile
from windrow.tasks.storage.unusable.other_formats import format_by_name
from windrow.tasks.texts.uris import shown_uri

_HOLDERS = ("npz", "pkl", "pickle", "pt", "pth")
_LISTS = {"csv": ",", "tsv": "\t", "jsonl": None, "ndjson": None}
_URLS = {"url", "uri", "image_url", "img_url", "image_uri", "s3_uri"}
_PATHS = {"path", "file_name", "filename", "file", "filepath", "file_path", "image_path", "img_path"}
_METADATA = "metadata"
_MOST_BYTES = 2**16


def find_orphans(place: SourcePlace, files: Sequence[SourceFile], samples: Iterable[str]) -> Iterator[SourceFile]:
    """Yield the files that are a data set of another kind, or a list of samples, with that as their error.

    `files` are all of a source, `samples` the paths of those that are samples. What has the name of a sample, up to a
    dot, comes with it wherever it lies, and is none of these; nor is `metadata.csv`. A list of paths may be one of
    labels, so it is only meant where there is no sample.
    """
    names = {split_name(path.rpartition("/")[2])[0] for path in samples}
    for file in files:
        name = file.path.rpartition("/")[2]
        extension = split_name(name)[1]
        if file.error or extension not in (*_HOLDERS, *_LISTS) or any(stem in names for stem in _stems(name)):
            continue
        reason = format_by_name(extension) if extension in _HOLDERS else _list_reason(place, file.path, not names)
        if reason:
            yield replace(file, error=reason)


def _stems(name: str) -> Iterator[str]:
    """'a' and 'a.mask' of 'a.mask.npy'."""
    parts = name.split(".")
    return (".".join(parts[:n]) for n in range(1, len(parts)))


def _list_reason(place: SourcePlace, path: str, is_alone: bool) -> str | None:
    if path.rpartition("/")[2].startswith(f"{_METADATA}."):
        return None
    location = place.locate(path)
    columns, values = _first_row(location, split_name(path)[1] or "")
    wanted = _URLS | (_PATHS if is_alone else set())
    if wanted & {column.strip().lower() for column in columns} or any("://" in value for value in values):
        return f"a list of samples: name it among the sources as list:{shown_uri(location)}"
    return None


def _first_row(location: str, extension: str) -> tuple[list[str], list[str]]:
    """The columns of a list, and its first values; none of what does not parse."""
    file = open_or_reason(location)
    if isinstance(file, str):
        return [], []
    with file:
        lines = file.read(_MOST_BYTES).decode("utf-8-sig", "replace").splitlines()[:2]
    try:
        if delimiter := _LISTS[extension]:
            rows = list(csv.reader(lines, delimiter=delimiter))
            return (rows[0], rows[1]) if len(rows) > 1 else ([], [])
        row = json.loads(lines[0])
        return list(row), [value for value in row.values() if isinstance(value, str)]
    except (csv.Error, ValueError, IndexError, AttributeError):
        return [], []
