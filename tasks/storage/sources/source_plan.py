"""From sources to shards: which files are ingested together.

A tar and a Parquet file are a shard each, and so are a thousand rows of a list, and some loose files. What a source of
the user's own has for shards is its to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import compress
from operator import not_

from windrow.tasks.storage.sources.all_sources import SOURCES
from windrow.tasks.storage.sources.beside.tar_tables import set_aside
from windrow.tasks.storage.sources.source_files import find_files
from windrow.tasks.storage.sources.source_settings import SourceConfig, settings_of, uris_of
from windrow.tasks.storage.sources.source_shard import IngestConfig, SourceShard


def plan_shards(sources: Sequence[str | SourceConfig], config: IngestConfig | None = None) -> list[SourceShard]:
    """Return the shards of all sources, sorted by source and shard.

    A source is a folder (with all below it), a file or a glob, local or on anything that fsspec opens. Files with the
    extension of a sidecar (`.cls`, `.json`, `.txt`, `.npy`, `.csv`, ...) are no samples; every other file is one, or an
    unreadable occurrence. Hidden files (a part of the name starts with a dot) are left out. A file that two
    sources reach is an occurrence in each. Relative paths are relative to the working directory. `list:` before a CSV,
    JSONL or Parquet file (or a folder or glob of such) makes every row a sample, which lies where `config.url_column`
    of the row says. 'python:MODULE:CLASS:PLACE' is a source of your own: see `user_source.py`. The shards of a source
    with settings of its own carry them.

    Raises ValueError naming a source that does not exist, holds nothing, is given twice, or is a list without such a
    column.
    """
    if isinstance(sources, str) or not sources:
        raise ValueError(f"sources: wants a list of one or more, got {sources!r}")
    uris = uris_of(sources)
    repeated = [uri for n, uri in enumerate(uris) if uri in uris[:n]]
    if repeated:
        raise ValueError(f"sources: {repeated[0]!r} is given twice")
    planned: list[SourceShard] = []
    for source in sources:
        uri, own = settings_of(source, config or IngestConfig())
        shards = _plan_source(uri, own)
        planned += shards if isinstance(source, str) else [replace(shard, config=own) for shard in shards]
    return sorted(planned, key=lambda s: (s.source_uri, s.shard))


def _plan_source(source: str, config: IngestConfig) -> list[SourceShard]:
    shards: list[SourceShard] = []
    named = [kind for kind in SOURCES.values() if kind.prefix and source.startswith(kind.prefix)]
    if named:
        shards.extend(named[0].plan(source, [], config))
    else:
        files = set_aside(source, find_files(source))
        for kind in SOURCES.values():
            takes = [kind.takes(file.path) and (not file.is_table or kind is SOURCES["file"]) for file in files]
            taken = list(compress(files, takes))
            files = list(compress(files, map(not_, takes)))
            shards.extend(kind.plan(source, taken, config) if taken else ())
    if not shards:
        raise ValueError(f"source {source!r} holds no samples")
    return shards
