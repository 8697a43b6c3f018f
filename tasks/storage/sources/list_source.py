"""Lists: a row is an occurrence, whose bytes are fetched from where the row says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from windrow.tasks.fetching.fetcher import Fetcher
from windrow.tasks.storage.sources.list_locations import (
    extension_of,
    list_folder_of,
    locate_list,
    read_listed,
    resolve,
    shown,
)
from windrow.tasks.storage.sources.list_plan import digest_rows
from windrow.tasks.storage.sources.list_rows import ListRow, Place, open_list
from windrow.tasks.storage.sources.parquet_source import row_fields
from windrow.tasks.storage.sources.source_files import open_file
from windrow.tasks.storage.sources.source_shard import Found, IngestConfig, ListRun, SourceShard

ROWS_AHEAD = 2
Already = Callable[[int], bytes | str | None]


@dataclass(frozen=True)
class _Asked:
    """A row whose bytes (or the reason why there are none) are there or on their way."""

    position: int
    row: ListRow
    got: Future[bytes | str] | bytes | str

    def result(self) -> bytes | str:
        return self.got.result() if isinstance(self.got, Future) else self.got


def iterate_list(shard: SourceShard, config: IngestConfig, already: Already | None = None) -> Iterator[Found]:
    """Yield an occurrence for every row of the shard's run, in order of `position`, the number of the row in the run.

    `key` is the path or URL, without logins and signatures. What cannot be fetched is an occurrence with an error. Of
    the rows that `already` (called in order of position) knows, nothing is fetched: it returns bytes or a reason. At
    most ROWS_AHEAD bodies for each of `fetch.concurrency` threads are in memory.

    Raises ValueError when the list has changed since it was planned, and OSError when a disk or an object store fails.
    """
    run = shard.run
    if run is None:
        raise ValueError(f"shard {shard.shard} of {shard.source_uri}: has no rows of a list")
    rows, names = _read_run(shard, run, config)
    folder = list_folder_of(shard.source_uri, shard.shard)
    with Fetcher(config.fetch, config.max_bytes) as fetcher, ThreadPoolExecutor(config.fetch.concurrency) as threads:
        waiting: deque[_Asked] = deque()
        try:
            for position, row in enumerate(rows):
                got: Future[bytes | str] | bytes | str | None = already(position) if already else None
                if got is None:
                    got = _start(row, run, folder, config, fetcher, threads)
                waiting.append(_Asked(position, row, got))
                if len(waiting) > ROWS_AHEAD * config.fetch.concurrency:
                    yield _found(waiting.popleft(), run, names, config)
            while waiting:
                yield _found(waiting.popleft(), run, names, config)
        finally:
            fetcher.give_up()
            threads.shutdown(wait=True, cancel_futures=True)


def _read_run(shard: SourceShard, run: ListRun, config: IngestConfig) -> tuple[list[ListRow], list[str] | None]:
    path = shard.shard.rpartition("#")[0]
    with open_file(locate_list(shard.source_uri, path)) as file:
        reader = open_list(file, path)
        if not isinstance(reader, str):
            rows = list(islice(reader.rows(Place(run.first, run.offset, run.line)), run.n_rows))
            if digest_rows(rows) == run.digest:
                return rows, reader.class_names(config.label_key)
    raise ValueError(f"{shard.source_uri}: {path} changed while it was being read: run again")


def _start(
    row: ListRow, run: ListRun, folder: str, config: IngestConfig, fetcher: Fetcher, threads: ThreadPoolExecutor
) -> Future[bytes | str] | str:
    if row.error:
        return row.error
    listed = resolve(row.values.get(run.column), folder, config.fetch)
    if isinstance(listed, str):
        return listed
    if listed.kind == "web":
        return threads.submit(fetcher.fetch, listed.location)
    return threads.submit(read_listed, listed, config)


def _found(asked: _Asked, run: ListRun, names: list[str] | None, config: IngestConfig) -> Found:
    got = asked.result()
    text = asked.row.values.get(run.column)
    rest = {key: value for key, value in asked.row.values.items() if key != run.column}
    return Found(
        position=asked.position,
        key=shown(text) if isinstance(text, str) and text else asked.row.name,
        extension=extension_of(text) if isinstance(text, str) else None,
        byte_length=len(got) if isinstance(got, bytes) else None,
        data=got if isinstance(got, bytes) else None,
        error=got if isinstance(got, str) else None,
        **vars(row_fields(rest, names, config)),
    )
