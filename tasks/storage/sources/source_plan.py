"""From sources to shards: which files are ingested together.

A tar and a Parquet file are a shard each, and so are a thousand rows of a list, and some loose files. What a source of
the user's own has for shards is its to say.
"""

from __future__ import annotations

from collections.abc import Sequence

from windrow.tasks.fetching.credentials import name_sources
from windrow.tasks.storage.sources.all_sources import SOURCES
from windrow.tasks.storage.sources.source_files import find_files
from windrow.tasks.storage.sources.source_shard import IngestConfig, SourceShard
from windrow.tasks.texts.uris import shown_text


def plan_shards(sources: Sequence[str], config: IngestConfig | None = None) -> list[SourceShard]:
    """Return the shards of all sources, sorted by source and shard.

    A source is a folder (with all below it), a file or a glob, local or on anything that fsspec opens. Files with the
    extension of a sidecar (`.cls`, `.json`, `.txt`, `.npy`, `.csv`, ...) are no samples; every other file is one, or an
    unreadable occurrence. Hidden files (a part of the name starts with a dot) are left out. A file that two
    sources reach is an occurrence in each. Relative paths are relative to the working directory. `list:` before a CSV,
    JSONL or Parquet file (or a folder or glob of such) makes every row a sample, which lies where `config.url_column`
    of the row says. 'python:MODULE:CLASS:PLACE' is a source of your own: see `user_source.py`.

    Raises ValueError naming a source that does not exist, holds nothing, is given twice, or is a list without such a
    column.
    """
    if isinstance(sources, str) or not sources:
        raise ValueError(f"sources: wants a list of one or more, got {sources!r}")
    repeated = [source for n, source in enumerate(sources) if source in sources[:n]]
    if repeated:
        raise ValueError(f"sources: {shown_text(repeated[0])!r} is given twice")
    planned = (shard for source in name_sources(sources) for shard in _plan_source(source, config or IngestConfig()))
    return sorted(planned, key=lambda s: (s.source_uri, s.shard))


def _plan_source(source: str, config: IngestConfig) -> list[SourceShard]:
    shards: list[SourceShard] = []
    named = [kind for kind in SOURCES.values() if kind.prefix and source.startswith(kind.prefix)]
    if named:
        shards.extend(named[0].plan(source, [], config))
    else:
        files = find_files(source)
        for kind in SOURCES.values():
            taken = [file for file in files if kind.takes(file.path)]
            files = [file for file in files if not kind.takes(file.path)]
            shards.extend(kind.plan(source, taken, config) if taken else ())
    if not shards:
        raise ValueError(f"source {source!r} holds no samples")
    return shards
