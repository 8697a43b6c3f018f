"""Lists: a row is an occurrence, whose bytes are fetched from where the row says."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from windrow.tasks.fetching.credentials import real
from windrow.tasks.fetching.locations import scheme_of, unsigned_url
from windrow.tasks.fetching.reasons import NOT_A_URL
from windrow.tasks.fetching.waiting_bodies import Body, WaitingBodies
from windrow.tasks.storage.sources.folder_source import read_whole
from windrow.tasks.storage.sources.list_locations import (
    PREFIX,
    extension_of,
    locate_again,
    locate_list,
    read_listed,
    resolve,
    shown,
    url_column,
)
from windrow.tasks.storage.sources.list_rows import ListReader, ListRow, Place, open_list
from windrow.tasks.storage.sources.listing.local_listing import identity_of
from windrow.tasks.storage.sources.listing.source_files import find_files, open_file
from windrow.tasks.storage.sources.listing.source_place import SourcePlace
from windrow.tasks.storage.sources.parquet_source import row_fields
from windrow.tasks.storage.sources.source import (
    CHANGED,
    OpenFiles,
    Reading,
    Row,
    SampleBytes,
    SampleGone,
    Source,
    checked,
)
from windrow.tasks.storage.sources.source_shard import (
    Already,
    Found,
    IngestConfig,
    ListRun,
    SourceFile,
    SourceShard,
)
from windrow.tasks.storage.store.outputs import fingerprint

if TYPE_CHECKING:
    from windrow.tasks.fetching.fetcher import Fetcher
    from windrow.tasks.fetching.turns import Turns

Getting = Future[Body] | Body
ROWS_PER_SHARD = 1000
NOT_KEPT = "was fetched from the web and is not kept"


class ListSource(Source):
    """`list:` before a file, folder or glob of lists; a thousand rows of a list are a shard.

    Rows are cut at fixed numbers, so that a list that grows changes its last shard only.
    """

    prefix = PREFIX
    fetches = True

    def plan(self, place: SourcePlace, files: Sequence[SourceFile], config: IngestConfig) -> Iterator[SourceShard]:
        """Yield the shards of a source `list:<file, folder or glob>`.

        Raises ValueError when something there is no list, or has no column that says where samples are.
        """
        source = place.source
        lists, found = find_files(real(source).removeprefix(PREFIX), config.follow_links)
        for file in found:
            if file.error:
                yield SourceShard(source, "url", file.path, file.identity, error=file.error)
                continue
            location = lists.locate(file.path)
            with open_file(location) as opened:
                reader = open_list(opened, file.path)
                if isinstance(reader, str):
                    yield SourceShard(source, "url", file.path, file.identity, error=reader)
                    continue
                column = url_column(reader.columns, file.path, config.url_column)
                for shard in _cut(source, file, reader, column, location.rpartition("/")[0]):
                    yield replace(shard, reach=lists.reach)

    def iterate(
        self, shard: SourceShard, config: IngestConfig, copy: Path | None, already: Already | None
    ) -> Iterator[Found]:
        """Yield an occurrence for every row of the shard's run, in order; `position` is the row's number in the run.

        `key` is the path or URL, without logins and signatures. What cannot be fetched is an occurrence with an error.
        Of the rows that `already` (called in order of position) knows, nothing is fetched. All are asked for at once:
        bodies whose turn has not come wait on the disk, beyond a few.

        Raises ValueError when the list has changed since it was planned, and OSError when a disk or an object store
        fails.
        """
        run = shard.run
        if run is None:
            raise ValueError(f"shard {shard.shard} of {shard.source_uri}: has no rows of a list")
        location = locate_list(shard.source_uri, shard.shard, shard.reach)
        rows, names = _read_run(location, shard, run, config)
        folder = location.rpartition("/")[0]
        from windrow.tasks.fetching.fetcher import Fetcher  # costs 0.1 s, which only lists are worth
        from windrow.tasks.fetching.turns import Turns

        with ExitStack() as opened:
            fetcher = opened.enter_context(Fetcher(config.fetch, config.max_bytes))
            threads = opened.enter_context(ThreadPoolExecutor(config.fetch.concurrency))
            bodies = opened.enter_context(WaitingBodies())
            turns = Turns(config.fetch, lambda url, n: bodies.put(fetcher.once(url, n)))
            waiting: deque[_Asked] = deque()
            try:
                for position, row in enumerate(rows):
                    got: Getting | None = bodies.put(already(position)) if already else None
                    if got is None:
                        got = _start(row, run, folder, config, fetcher, turns, threads, bodies)
                    waiting.append(_Asked(position, row, got))
                while waiting:
                    yield _found(waiting.popleft(), run, names, config, bodies)
            finally:
                fetcher.give_up()
                turns.close()
                threads.shutdown(wait=True, cancel_futures=True)

    def read(self, rows: Mapping[int, Row], opened: OpenFiles, with_members: bool) -> Reading:
        row = next(iter(rows.values()))
        folder = locate_list(row["source_uri"], row["shard"]).rpartition("/")[0]
        return {n: _read_listed(row, folder) for n, row in rows.items()}

    def keeps(self, shard: SourceShard, config: IngestConfig, key: str | None = None) -> bool:
        if key is None or config.mode == "copy":
            return True
        folder = locate_list(shard.source_uri, shard.shard, shard.reach).rpartition("/")[0]
        return locate_again(folder, key) is None


@dataclass(frozen=True)
class _Asked:
    """A row whose bytes (or the reason why there are none) are there or on their way."""

    position: int
    row: ListRow
    got: Getting

    def result(self, bodies: WaitingBodies) -> bytes | str:
        return bodies.take(self.got.result() if isinstance(self.got, Future) else self.got)


def _read_run(
    location: str, shard: SourceShard, run: ListRun, config: IngestConfig
) -> tuple[list[ListRow], list[str] | None]:
    path = shard.shard.rpartition("#")[0]
    with open_file(location) as file:
        reader = open_list(file, path)
        if not isinstance(reader, str):
            rows = list(islice(reader.rows(Place(run.first, run.offset, run.line)), run.n_rows))
            if digest_rows(rows) == run.digest:
                return rows, reader.class_names(config.label_key)
    raise ValueError(f"{shard.source_uri}: {path} changed while it was being read: run again")


def _start(
    row: ListRow,
    run: ListRun,
    folder: str,
    config: IngestConfig,
    fetcher: Fetcher,
    turns: Turns,
    threads: ThreadPoolExecutor,
    bodies: WaitingBodies,
) -> Getting:
    if row.error:
        return row.error
    listed = resolve(row.values.get(run.column), folder, config.fetch)
    if isinstance(listed, str):
        return listed
    if listed.kind == "web":
        host = fetcher.host(listed.location)
        return NOT_A_URL if host is None else turns.ask(listed.location, host)
    return threads.submit(lambda: bodies.put(read_listed(listed, config)))


def _found(asked: _Asked, run: ListRun, names: list[str] | None, config: IngestConfig, bodies: WaitingBodies) -> Found:
    got = asked.result(bodies)
    text = asked.row.values.get(run.column)
    rest = {key: value for key, value in asked.row.values.items() if key != run.column}
    return Found(
        position=asked.position,
        key=shown(text) if isinstance(text, str) and text else asked.row.name,
        extension=extension_of(text) if isinstance(text, str) else None,
        byte_length=len(got) if isinstance(got, bytes) else None,
        data=got if isinstance(got, bytes) else None,
        error=got if isinstance(got, str) else None,
        class_names=tuple(names) if names else None,
        columns=tuple(asked.row.values),
        **vars(row_fields(rest, names, config)),
    )


def digest_rows(rows: Iterable[ListRow]) -> str:
    """Return a hash of what rows say. A URL that was signed anew says the same."""
    digest = hashlib.sha256()
    for row in rows:
        values = {key: unsigned_url(value) if _is_url(value) else value for key, value in row.values.items()}
        digest.update(json.dumps([values, row.error], sort_keys=True).encode() + b"\n")
    return digest.hexdigest()[:32]


def _cut(source: str, file: SourceFile, reader: ListReader, column: str, folder: str) -> Iterator[SourceShard]:
    place = reader.start
    rows = reader.rows(place)
    while some := list(islice(rows, ROWS_PER_SHARD)):
        run = ListRun(place.row, len(some), place.offset, place.line, column, digest_rows(some))
        files = [_file_identity(row.values, column, folder) for row in some]
        name = f"{file.path}#{place.row:09d}"
        yield SourceShard(source, "url", name, fingerprint(run.digest, files), run=run)
        place = some[-1].end


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and scheme_of(value) is not None


def _file_identity(values: Mapping[str, Any], column: str, folder: str) -> str | None:
    """Return the identity of a local file; None of everything else."""
    text = values.get(column)
    if not isinstance(text, str) or scheme_of(text) not in (None, "file") or scheme_of(folder) is not None:
        return None
    with suppress(OSError, ValueError):
        status = os.stat(os.path.join(folder, text.removeprefix("file://")))  # noqa: PTH116, PTH118  (a million of them)
        return identity_of(status)
    return None


def _read_listed(row: Row, folder: str) -> SampleBytes | SampleGone:
    location = locate_again(folder, row["key"])
    if location is None:
        return SampleGone(NOT_KEPT)
    data = read_whole(location, row["byte_length"])
    return checked(data, row, {}) if isinstance(data, bytes) else SampleGone(CHANGED if isinstance(data, int) else data)
