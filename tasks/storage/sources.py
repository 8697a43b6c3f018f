"""Sources: where samples lie, read in place.

Nothing is copied or re-encoded. `plan_shards` says which shards the sources have, `iterate_shard` what is in a shard
(with the bytes, for ingest to verify), and `read_samples` fetches the bytes again from where occurrences were seen.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, BinaryIO

import pyarrow as pa

from windrow.tasks.storage.folder_source import iterate_files, read_whole
from windrow.tasks.storage.list_locations import locate_again
from windrow.tasks.storage.parquet_source import iterate_parquet, open_parquet, read_rows
from windrow.tasks.storage.source_files import locate, open_file, source_root
from windrow.tasks.storage.source_plan import plan_shards
from windrow.tasks.storage.source_shard import Found, IngestConfig, SourceShard, access_error, sample_id_of
from windrow.tasks.storage.tar_source import iterate_tar, read_range

__all__ = ["Found", "SampleGone", "SourceShard", "iterate_shard", "plan_shards", "read_samples"]

OPEN_FILES = 8
WINDOW_BYTES = 64 * 2**20
WINDOW_ROWS = 2048
Already = Callable[[int], bytes | str | None]
CHANGED = "changed since it was ingested"
NOT_KEPT = "was fetched from the web and is not kept"
_COLUMNS = ("sample_id", "source_uri", "kind", "shard", "position", "key", "byte_offset", "byte_length")


@dataclass(frozen=True)
class SampleGone:
    """Stands for the bytes of a sample that is no longer where it was seen; `reason` says why."""

    reason: str


def iterate_shard(shard: SourceShard, config: IngestConfig, already: Already | None = None) -> Iterator[Found]:
    """Yield every occurrence of a shard once, in order of position, with one sample's bytes in memory at a time.

    Data that cannot be read is an occurrence with an error. Of a list more than one sample is in memory, and what
    `already` knows is not fetched: see `iterate_list`. Raises ValueError when a Parquet file has no image column,
    and OSError when the disk or the network fails, which says nothing about the data.
    """
    if shard.kind == "file":
        yield from iterate_files(shard, config)
        return
    if shard.kind == "url" and shard.error is None:
        from windrow.tasks.storage.list_source import iterate_list  # costs 0.1 s, which only lists are worth

        yield from iterate_list(shard, config, already)
        return
    name = shard.shard.rpartition("/")[2]
    file = shard.error or _open(locate(shard.source_uri, shard.shard))
    if isinstance(file, str):
        yield Found(0, name, None, error=file)
        return
    with file:
        yield from (iterate_tar if shard.kind == "tar" else iterate_parquet)(file, name, config)


def read_samples(occurrences: pa.Table) -> Iterator[tuple[str, bytes | SampleGone]]:
    """Yield (sample_id, bytes) for rows of OCCURRENCES (or any table with their columns), in the order of the rows.

    The bytes are those that were ingested: they are checked against `sample_id`, and SampleGone comes in their stead
    when they are not there any more. Rows are fetched in windows of WINDOW_BYTES, in the order in which they lie; the
    last OPEN_FILES files stay open. Of a Parquet file whole row groups are read, so rows of one should come together.

    Raises ValueError when a column is missing or a row has no sample_id, and OSError when the disk or network fails.
    """
    missing = [name for name in _COLUMNS if name not in occurrences.column_names]
    if missing:
        raise ValueError(f"occurrences: column {missing[0]!r} is missing")
    if occurrences["sample_id"].null_count:
        raise ValueError(f"occurrences: {occurrences['sample_id'].null_count} rows have no sample_id: never read")
    return _read_windows(occurrences.select(_COLUMNS))


def _read_windows(occurrences: pa.Table) -> Iterator[tuple[str, bytes | SampleGone]]:
    with _OpenShards() as opened:
        for window in _windows(occurrences):
            data = _read_window(window, opened)
            for n, row in enumerate(window):
                yield row["sample_id"], data.pop(n)


def _windows(occurrences: pa.Table) -> Iterator[list[dict[str, Any]]]:
    window: list[dict[str, Any]] = []
    n_bytes = 0
    for batch in occurrences.to_batches(max_chunksize=WINDOW_ROWS):
        for row in batch.to_pylist():
            size = row["byte_length"] or 0
            if window and (n_bytes + size > WINDOW_BYTES or len(window) == WINDOW_ROWS):
                yield window
                window, n_bytes = [], 0
            window.append(row)
            n_bytes += size
    if window:
        yield window


def _read_window(window: list[dict[str, Any]], opened: _OpenShards) -> dict[int, bytes | SampleGone]:
    def place(n: int) -> tuple[str, str, str]:
        return window[n]["source_uri"], window[n]["kind"], window[n]["shard"]

    data: dict[int, bytes | SampleGone] = {}
    order = sorted(range(len(window)), key=lambda n: (place(n), window[n]["position"]))
    for (source, kind, shard), numbers in groupby(order, key=place):
        rows = {n: window[n] for n in numbers}
        if kind == "file":
            data |= {n: _read_loose(opened.locate(source, row["key"]), row) for n, row in rows.items()}
        elif kind == "url":
            data |= {n: _read_listed(source, row) for n, row in rows.items()}
        else:
            data |= _read_shard(opened.open(source, shard), rows, kind)
    return data


def _read_listed(source: str, row: dict[str, Any]) -> bytes | SampleGone:
    place = locate_again(source, row["shard"], row["key"])
    return SampleGone(NOT_KEPT) if place is None else _read_loose(place, row)


def _read_loose(location: str, row: dict[str, Any]) -> bytes | SampleGone:
    data = read_whole(location, row["byte_length"])
    if isinstance(data, bytes):
        return _checked(data, row)
    return SampleGone(CHANGED if isinstance(data, int) else data)


def _read_shard(file: BinaryIO | str, rows: dict[int, dict[str, Any]], kind: str) -> dict[int, bytes | SampleGone]:
    if isinstance(file, str):
        return {n: SampleGone(file) for n in rows}
    if kind == "tar":
        return {n: _checked(read_range(file, row["byte_offset"], row["byte_length"]), row) for n, row in rows.items()}
    parquet = open_parquet(file)
    if isinstance(parquet, str):
        return {n: SampleGone(CHANGED) for n in rows}
    found = read_rows(parquet, {row["position"]: row["sample_id"] for row in rows.values()})
    return {n: found.get(row["position"], SampleGone(CHANGED)) for n, row in rows.items()}


def _checked(data: bytes, row: dict[str, Any]) -> bytes | SampleGone:
    return data if sample_id_of(data) == row["sample_id"] else SampleGone(CHANGED)


def _open(location: str) -> BinaryIO | str:
    try:
        return open_file(location)
    except OSError as error:
        reason = access_error(error)
        if reason is None:
            raise
        return reason


class _OpenShards:
    """The files that were read last, kept open, and the roots of sources."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, BinaryIO] = OrderedDict()
        self._roots: dict[tuple[str, bool], str] = {}

    def __enter__(self) -> _OpenShards:
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
        location = self.locate(source, shard)
        file = self._files.pop(location, None) or _open(location)
        if isinstance(file, str):
            return file
        self._files[location] = file
        if len(self._files) > OPEN_FILES:
            self._files.popitem(last=False)[1].close()
        return file
