"""The bytes of samples, fetched again from where they were seen, or from the store's copy of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from windrow.tasks.storage.sources.all_sources import SOURCES
from windrow.tasks.storage.sources.source import OpenFiles, SampleBytes, SampleGone
from windrow.tasks.storage.sources.tar_source import read_packed

WINDOW_BYTES = 16 * 2**20
WINDOW_ROWS = 2048
_COLUMNS = (
    "sample_id", "source_uri", "kind", "shard", "position", "key", "byte_offset", "byte_length", "copy", "members",
)  # fmt: skip


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
    with OpenFiles(store) as opened, ThreadPoolExecutor(1) as thread:
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
    window: list[dict[str, Any]], opened: OpenFiles, with_members: bool
) -> dict[int, SampleBytes | SampleGone]:
    def place(n: int) -> tuple[str, str, str, str]:
        row = window[n]
        return row["copy"] or "", row["source_uri"], row["kind"], row["shard"]

    def order(n: int) -> tuple[Any, ...]:
        return place(n), window[n]["byte_offset"] or 0, window[n]["position"]

    data: dict[int, SampleBytes | SampleGone] = {}
    for (copy, _, kind, _), numbers in groupby(sorted(range(len(window)), key=order), key=place):
        rows = {n: window[n] for n in numbers}
        if copy:
            data |= read_packed(opened.open_copy(copy), rows, with_members)
        else:
            data |= SOURCES[kind].read(rows, opened, with_members)
    return data
