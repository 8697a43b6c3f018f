"""Lists as shards: rows cut at fixed numbers, so that a list that grows changes its last shard only."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from windrow.tasks.fetching.locations import scheme_of, unsigned_url
from windrow.tasks.storage.sources.list_locations import PREFIX, locate_list, url_column
from windrow.tasks.storage.sources.list_rows import ListReader, ListRow, open_list
from windrow.tasks.storage.sources.source_files import find_files, open_file
from windrow.tasks.storage.sources.source_shard import IngestConfig, ListRun, SourceFile, SourceShard
from windrow.tasks.storage.store.outputs import fingerprint

ROWS_PER_SHARD = 1000


def plan_list(source: str, config: IngestConfig) -> Iterator[SourceShard]:
    """Yield the shards of a source `list:<file, folder or glob>`.

    Raises ValueError when something there is no list, or has no column that says where samples are.
    """
    for file in find_files(source.removeprefix(PREFIX)):
        if file.error:
            yield SourceShard(source, "url", file.path, file.identity, error=file.error)
            continue
        location = locate_list(source, file.path)
        with open_file(location) as opened:
            reader = open_list(opened, file.path)
            if isinstance(reader, str):
                yield SourceShard(source, "url", file.path, file.identity, error=reader)
                continue
            column = url_column(reader.columns, file.path, config.url_column)
            yield from _cut(source, file, reader, column, location.rpartition("/")[0])


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
    """Return size and time of change of a local file; None of everything else."""
    text = values.get(column)
    if not isinstance(text, str) or scheme_of(text) not in (None, "file") or scheme_of(folder) is not None:
        return None
    with suppress(OSError, ValueError):
        status = os.stat(os.path.join(folder, text.removeprefix("file://")))  # noqa: PTH116, PTH118  (a million of them)
        return f"{status.st_size}-{status.st_mtime_ns}"
    return None
