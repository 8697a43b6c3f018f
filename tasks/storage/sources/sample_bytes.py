"""The bytes of samples, fetched again from where they were seen, or from the store's copy of them."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from windrow.tasks.storage.sources.folder_source import read_whole
from windrow.tasks.storage.sources.list_locations import locate_again
from windrow.tasks.storage.sources.parquet_source import open_parquet, read_rows
from windrow.tasks.storage.sources.source_fields import split_name
from windrow.tasks.storage.sources.source_files import locate, open_file, source_root
from windrow.tasks.storage.sources.source_shard import access_error, sample_id_of
from windrow.tasks.storage.sources.tar_source import read_range

OPEN_FILES = 8
WINDOW_BYTES = 16 * 2**20
WINDOW_ROWS = 2048
CHANGED = "changed since it was ingested"
NOT_KEPT = "was fetched from the web and is not kept"
_COLUMNS = (
    "sample_id", "source_uri", "kind", "shard", "position", "key", "byte_offset", "byte_length", "copy", "members",
)  # fmt: skip


@dataclass(frozen=True)
class SampleGone:
    """Stands for the bytes of a sample that is no longer where it was seen; `reason` says why."""

    reason: str


@dataclass(frozen=True)
class SampleBytes:
    """A sample's bytes, and those of the files that come with it, by extension."""

    data: bytes
    members: dict[str, bytes]


def read_samples(occurrences: pa.Table, store: Path | None = None) -> Iterator[tuple[str, bytes | SampleGone]]:
    """Yield (sample_id, bytes) for rows of OCCURRENCES (or any table with their columns), in the order of the rows.

    The bytes are those that were ingested: they are checked against `sample_id`, and SampleGone comes in their stead
    when they are not there any more. A thread fetches rows in windows of WINDOW_BYTES, one ahead, in the order in which
    they lie; the last OPEN_FILES files stay open. Of a Parquet file whole row groups are read, so rows of one should
    come together.

    Raises ValueError when a column is missing, a row has no sample_id or a copy is to be read without its store, and
    OSError when the disk or network fails.
    """
    reading = _read(occurrences, store, with_members=False)
    return ((sample_id, found if isinstance(found, SampleGone) else found.data) for sample_id, found in reading)


def read_members(occurrences: pa.Table, store: Path | None = None) -> Iterator[tuple[str, SampleBytes | SampleGone]]:
    """Yield likewise the bytes of each sample and of the files that come with it."""
    return _read(occurrences, store, with_members=True)


def _read(
    occurrences: pa.Table, store: Path | None, with_members: bool
) -> Iterator[tuple[str, SampleBytes | SampleGone]]:
    missing = [name for name in _COLUMNS if name not in occurrences.column_names]
    if missing:
        raise ValueError(f"occurrences: column {missing[0]!r} is missing")
    if occurrences["sample_id"].null_count:
        raise ValueError(f"occurrences: {occurrences['sample_id'].null_count} rows have no sample_id: never read")
    if store is None and occurrences["copy"].null_count < occurrences.num_rows:
        raise ValueError("store: some rows have their bytes in a store, and none was given")
    return _read_windows(occurrences.select(_COLUMNS), store, with_members)


def _read_windows(
    occurrences: pa.Table, store: Path | None, with_members: bool
) -> Iterator[tuple[str, SampleBytes | SampleGone]]:
    waiting: deque[tuple[list[dict[str, Any]], Future[dict[int, SampleBytes | SampleGone]]]] = deque()
    with _OpenFiles(store) as opened, ThreadPoolExecutor(1) as thread:
        for window in _windows(occurrences, with_members):
            waiting.append((window, thread.submit(_read_window, window, opened, with_members)))
            if len(waiting) > 1:  # one is read and hashed while the one before is made use of
                yield from _in_order(*waiting.popleft())
        while waiting:
            yield from _in_order(*waiting.popleft())


def _in_order(
    window: list[dict[str, Any]], reading: Future[dict[int, SampleBytes | SampleGone]]
) -> Iterator[tuple[str, SampleBytes | SampleGone]]:
    data = reading.result()
    for n, row in enumerate(window):
        yield row["sample_id"], data.pop(n)


def _windows(occurrences: pa.Table, with_members: bool) -> Iterator[list[dict[str, Any]]]:
    window: list[dict[str, Any]] = []
    n_bytes = 0
    for batch in occurrences.to_batches(max_chunksize=WINDOW_ROWS):
        for row in batch.to_pylist():
            members = row["members"] or () if with_members else ()
            size = sum(each["byte_length"] or 0 for each in (row, *members))
            if window and (n_bytes + size > WINDOW_BYTES or len(window) == WINDOW_ROWS):
                yield window
                window, n_bytes = [], 0
            window.append(row)
            n_bytes += size
    if window:
        yield window


def _read_window(
    window: list[dict[str, Any]], opened: _OpenFiles, with_members: bool
) -> dict[int, SampleBytes | SampleGone]:
    def place(n: int) -> tuple[str, str, str, str]:
        row = window[n]
        return row["copy"] or "", row["source_uri"], row["kind"], row["shard"]

    def order(n: int) -> tuple[Any, ...]:
        return place(n), window[n]["byte_offset"] or 0, window[n]["position"]

    data: dict[int, SampleBytes | SampleGone] = {}
    for (copy, source, kind, shard), numbers in groupby(sorted(range(len(window)), key=order), key=place):
        rows = {n: window[n] for n in numbers}
        if copy:
            data |= _read_tar(opened.open_copy(copy), rows, with_members)
        elif kind == "tar":
            data |= _read_tar(opened.open(source, shard), rows, with_members)
        elif kind == "parquet":
            data |= _read_parquet(opened.open(source, shard), rows)
        elif kind == "url":
            data |= {n: _read_listed(source, row) for n, row in rows.items()}
        else:
            data |= {n: _read_loose(opened, row, with_members) for n, row in rows.items()}
    return data


def _read_listed(source: str, row: dict[str, Any]) -> SampleBytes | SampleGone:
    location = locate_again(source, row["shard"], row["key"])
    if location is None:
        return SampleGone(NOT_KEPT)
    data = read_whole(location, row["byte_length"])
    return (
        _checked(data, row, {}) if isinstance(data, bytes) else SampleGone(CHANGED if isinstance(data, int) else data)
    )


def _read_loose(opened: _OpenFiles, row: dict[str, Any], with_members: bool) -> SampleBytes | SampleGone:
    data = read_whole(opened.locate(row["source_uri"], row["key"]), row["byte_length"])
    if not isinstance(data, bytes):
        return SampleGone(CHANGED if isinstance(data, int) else data)
    stem = split_name(row["key"])[0]
    members = {}
    for member in row["members"] or () if with_members else ():
        beside = opened.locate(row["source_uri"], f"{stem}.{member['extension']}")
        found = read_whole(beside, member["byte_length"])
        if not isinstance(found, bytes) or len(found) != member["byte_length"]:
            return SampleGone(f"{member['extension']} beside it: {found if isinstance(found, str) else CHANGED}")
        members[member["extension"]] = found
    return _checked(data, row, members)


def _read_tar(
    file: BinaryIO | str, rows: dict[int, dict[str, Any]], with_members: bool
) -> dict[int, SampleBytes | SampleGone]:
    if isinstance(file, str):
        return {n: SampleGone(file) for n in rows}
    found = {}
    for n, row in rows.items():
        data = read_range(file, row["byte_offset"], row["byte_length"])
        members = {
            member["extension"]: read_range(file, member["byte_offset"], member["byte_length"])
            for member in (row["members"] or () if with_members else ())
        }
        found[n] = _checked(data, row, members)
    return found


def _read_parquet(file: BinaryIO | str, rows: dict[int, dict[str, Any]]) -> dict[int, SampleBytes | SampleGone]:
    parquet = file if isinstance(file, str) else open_parquet(file)
    if isinstance(parquet, str):
        return {n: SampleGone(file if isinstance(file, str) else CHANGED) for n in rows}
    found = read_rows(parquet, {row["position"]: row["sample_id"] for row in rows.values()})
    return {
        n: SampleBytes(found[row["position"]], {}) if row["position"] in found else SampleGone(CHANGED)
        for n, row in rows.items()
    }


def _checked(data: bytes, row: dict[str, Any], members: dict[str, bytes]) -> SampleBytes | SampleGone:
    return SampleBytes(data, members) if sample_id_of(data) == row["sample_id"] else SampleGone(CHANGED)


def open_or_reason(location: str) -> BinaryIO | str:
    """Open a file that `locate` returned, or say why it cannot be; OSError when the disk or the network fails."""
    try:
        return open_file(location)
    except OSError as error:
        reason = access_error(error)
        if reason is None:
            raise
        return reason


class _OpenFiles:
    """The files that were read last, kept open, and the roots of sources."""

    def __init__(self, store: Path | None) -> None:
        self._store = store
        self._files: OrderedDict[str, BinaryIO] = OrderedDict()
        self._roots: dict[tuple[str, bool], str] = {}

    def __enter__(self) -> _OpenFiles:
        return self

    def __exit__(self, *_: object) -> None:
        while self._files:
            self._files.popitem()[1].close()

    def locate(self, source: str, path: str) -> str:
        key = (source, source.rpartition("/")[2] == path)
        if key not in self._roots:
            self._roots[key] = source_root(source, path)
        return locate(source, path, self._roots[key])

    def open(self, source: str, shard: str) -> BinaryIO | str:
        return self._open(self.locate(source, shard))

    def open_copy(self, copy: str) -> BinaryIO | str:
        return self._open(str((self._store or Path()) / copy))

    def _open(self, location: str) -> BinaryIO | str:
        file = self._files.pop(location, None) or open_or_reason(location)
        if isinstance(file, str):
            return file
        self._files[location] = file
        if len(self._files) > OPEN_FILES:
            self._files.popitem(last=False)[1].close()
        return file
