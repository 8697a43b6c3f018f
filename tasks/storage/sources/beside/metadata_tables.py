"""Metadata files of a folder of images, as Hugging Face's imagefolder has them: metadata.csv, .jsonl or .parquet.

Each row names a file (`file_name`, relative to the metadata file's folder) and says something of it; `mask_file_name`
and the like name what comes with it, `file_names` several of which the same is true. What img2dataset writes beside a
folder of files (`00000.parquet`) is read likewise: its rows name the file by `key`.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from windrow.tasks.storage.sources.columns.parquet_columns import Wrong, with_class_name
from windrow.tasks.storage.sources.list_rows import ListReader, open_list
from windrow.tasks.storage.sources.listing.source_files import open_or_reason
from windrow.tasks.storage.sources.listing.source_place import SourcePlace
from windrow.tasks.storage.sources.source_fields import split_name
from windrow.tasks.storage.sources.source_shard import IngestConfig, SourceFile

NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
FILE = "file_name"
KEY = "key"
_Folders = dict[str, list[str]]
"""The paths of files, by the folder that they lie in."""


@dataclass(frozen=True)
class Listed:
    """What a metadata file says of a file: the metadata file's path, the row as JSON, paths of what comes with it."""

    table: str
    row: str
    beside: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Listing:
    """What the metadata files of a source say: of its files by path, which of them only come with another.

    `missing`: why, by path, for rows of which nothing is there, and for metadata files that cannot be read.
    `has_labels`: whether any row has a label.
    """

    files: dict[str, Listed] = field(default_factory=dict)
    accompanying: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)
    has_labels: bool = False


def is_metadata(file: SourceFile) -> bool:
    """Say whether a file may be such a metadata file."""
    return file.is_table or file.path.rpartition("/")[2] in NAMES


def read_listing(
    place: SourcePlace, tables: Iterable[SourceFile], paths: Sequence[str], config: IngestConfig
) -> Listing:
    """Read the metadata files of a source whose files are `paths`. The first row of a file counts.

    Raises OSError when the disk or the network fails.
    """
    found, there = Listing(), set(paths)
    has_labels = False
    in_folders = _by_folder(paths)
    for table in tables:
        for row in _read_table(place, table, in_folders, found, config):
            has_labels = has_labels or config.label_key in row.values
            _add(found, row, there)
    return Listing(found.files, found.accompanying, found.missing, has_labels)


@dataclass(frozen=True)
class _Row:
    """A row: its metadata file, its name there, the files that it names, what comes with them, what it says."""

    table: str
    name: str
    files: tuple[str, ...]
    beside: tuple[tuple[str, str], ...]
    values: Mapping[str, Any]


def _add(found: Listing, row: _Row, there: set[str]) -> None:
    for path in row.files:
        if path in found.files:
            values = {**json.loads(found.files[path].row), "windrow_error": f"{row.table} {row.name}: names it again"}
            found.files[path] = Listed(found.files[path].table, _spelt(values), found.files[path].beside)
        elif path in there:
            beside = tuple((role, other) for role, other in row.beside if other in there)
            found.files[path] = Listed(row.table, _spelt(row.values), beside)
            found.accompanying.update(other for _, other in beside)
        else:
            found.missing[path] = f"file is gone: {row.table.rpartition('/')[2]} names it"


def _read_table(
    place: SourcePlace, table: SourceFile, in_folders: _Folders, found: Listing, config: IngestConfig
) -> Iterator[_Row]:
    file = open_or_reason(place.locate(table.path))
    if isinstance(file, str):
        found.missing[table.path] = file
        return
    try:
        with file:
            reader = open_list(file, table.path)
            if isinstance(reader, str):
                found.missing[table.path] = reader
            else:
                yield from _rows(reader, table, in_folders, found, config)
    except ValueError as error:
        found.missing[table.path] = str(error).removeprefix(f"{table.path}: ")


def _rows(
    reader: ListReader, table: SourceFile, in_folders: _Folders, found: Listing, config: IngestConfig
) -> Iterator[_Row]:
    folder = table.path.rpartition("/")[0]
    names, by_key = reader.class_names(config.label_key), _by_key(table, reader, in_folders)
    if by_key is None and not any(map(_names_files, reader.columns)):
        return
    for row in reader.rows(reader.start):
        if row.error:
            found.missing[f"{table.path}#{row.name}"] = row.error
            continue
        values = with_class_name(row.values, config.label_key, names)
        values = {name: value for name, value in values.items() if not isinstance(value, Wrong)}
        if by_key is not None:
            yield _Row(table.path, row.name, tuple(by_key.get(str(values.pop(KEY, "")), ())), (), values)
            continue
        main = next((name for name in sorted(values, key=lambda name: name != FILE) if _names_files(name)), FILE)
        named = values.pop(main, None)
        files = tuple(_resolved(each, folder) or "" for each in (named if isinstance(named, list) else [named]))
        if not all(files):
            found.missing[f"{table.path}#{row.name}"] = f"{row.name} names no file below its folder"
            continue
        beside = [
            (name[: -len(f"_{FILE}")], _resolved(other, folder)) for name, other in values.items() if _names_files(name)
        ]
        yield _Row(table.path, row.name, files, tuple((role, other) for role, other in beside if other), values)


def _names_files(column: str) -> bool:
    return column in (FILE, f"{FILE}s") or column.endswith((f"_{FILE}", f"_{FILE}s"))


def _resolved(name: Any, folder: str) -> str | None:
    """The path of a file that a row names; None when it is no path below the folder."""
    if not isinstance(name, str) or not name or name.startswith("/") or "://" in name:
        return None
    path = posixpath.normpath(name.replace("\\", "/"))
    return None if path in (".", "..") or path.startswith("../") else posixpath.join(folder, path)


def _by_folder(paths: Iterable[str]) -> _Folders:
    found: _Folders = {}
    for path in paths:
        found.setdefault(path.rpartition("/")[0], []).append(path)
    return found


def _by_key(table: SourceFile, reader: ListReader, in_folders: _Folders) -> dict[str, list[str]] | None:
    """The files of the folder that has the table's name, by key; None where rows name files themselves."""
    if table.path.rpartition("/")[2] in NAMES or KEY not in reader.columns:
        return None
    found: dict[str, list[str]] = {}
    for path in in_folders.get(table.path.rpartition(".")[0], ()):
        found.setdefault(split_name(path)[0].rpartition("/")[2], []).append(path)
    return found


def _spelt(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, default=str)
