"""From sources to shards: which files are ingested together.

A tar and a Parquet file are a shard each, and so are a thousand rows of a list, and some loose files. What a source of
the user's own has for shards is its to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import compress
from operator import not_
from pathlib import Path

from windrow.tasks.fetching.credentials import name_sources
from windrow.tasks.storage.sources.all_sources import SOURCES
from windrow.tasks.storage.sources.beside.tar_tables import set_aside
from windrow.tasks.storage.sources.list_locations import PREFIX
from windrow.tasks.storage.sources.listing.source_files import find_files
from windrow.tasks.storage.sources.listing.source_place import SourcePlace, local_place
from windrow.tasks.storage.sources.source_fields import split_name
from windrow.tasks.storage.sources.source_settings import SourceConfig, settings_of, uris_of
from windrow.tasks.storage.sources.source_shard import IngestConfig, SourceFile, SourceMissingError, SourceShard
from windrow.tasks.storage.store.store_folders import store_above
from windrow.tasks.texts.uris import shown_text

MOST_KINDS = 5


def plan_shards(
    sources: Sequence[str | SourceConfig], config: IngestConfig | None = None, known: Collection[str] = ()
) -> list[SourceShard]:
    """Return the shards of all sources, sorted by source and shard.

    A source is a folder (with all below it), a file or a glob, local or on anything that fsspec opens. Files with the
    extension of a sidecar (`.cls`, `.json`, `.txt`, `.npy`, `.csv`, ...) are no samples; every other file is one, or an
    unreadable occurrence. Hidden files (a part of the name starts with a dot) are left out. A file that two
    sources reach is an occurrence in each. Relative paths are relative to the working directory. `list:` before a CSV,
    JSONL or Parquet file (or a folder or glob of such) makes every row a sample, which lies where `config.url_column`
    of the row says. 'python:MODULE:CLASS:PLACE' is a source of your own: see `user_source.py`. The shards of a source
    with settings of its own carry them.

    `known`: sources that an earlier run read. These may hold nothing by now, and where the store keeps copies they
    need not be there any more.

    Raises ValueError naming a source that does not exist, holds nothing, is given twice, or is a list without such a
    column.
    """
    if isinstance(sources, str) or not sources:
        raise ValueError(f"sources: wants a list of one or more, got {sources!r}")
    uris = uris_of(sources)
    repeated = [uri for n, uri in enumerate(uris) if uri in uris[:n]]
    if repeated:
        raise ValueError(f"sources: {shown_text(repeated[0])!r} is given twice")
    planned: list[SourceShard] = []
    for source in sources:
        uri, own = settings_of(source, config or IngestConfig())
        (name,) = name_sources([uri])
        shards = _plan_source(name, own, name in known)
        planned += shards if isinstance(source, str) else [replace(shard, config=own) for shard in shards]
    return sorted(planned, key=lambda s: (s.source_uri, s.shard))


def check_sources(sources: Sequence[str], store: Path, setting: str = "sources", versions: bool = False) -> None:
    """Raise ValueError for a source that is a store, or lies in one; `versions`: what was published there may be one.

    The config's own store counts before it is made.
    """
    own = store.resolve()
    for source in sources:
        if _is_users_own(source):
            continue
        place = local_place(source.removeprefix(PREFIX))
        real = place.resolve() if place else None
        above = own if real and real.is_relative_to(own) else store_above(real) if real else None
        if real and above and not (versions and real.is_relative_to(above / "curated")):
            where = "is a store" if real == above else f"lies in the store {above}"
            raise ValueError(
                f"{setting}: {source!r} {where}, and what Windrow makes is no source. A published version may be one "
                "when it is copied out of its store"
            )


def check_there(sources: Sequence[str | SourceConfig], ingest: IngestConfig, place: str = "sources") -> None:
    """Raise ValueError naming every local source that is not there; those of which the store keeps copies may go."""
    missing = []
    for uri, own in (settings_of(source, ingest) for source in sources):
        of_users = any(
            kind.prefix and kind.prefix != PREFIX and uri.startswith(kind.prefix) for kind in SOURCES.values()
        )
        path = None if of_users or own.mode == "copy" else local_place(uri.removeprefix(PREFIX))
        if path and not path.exists():
            missing.append(f"{place}: {shown_text(uri)!r} does not exist")
    if missing:
        raise ValueError("\n".join(missing))


def _is_users_own(source: str) -> bool:
    return any(kind.prefix and kind.prefix != PREFIX and source.startswith(kind.prefix) for kind in SOURCES.values())


def _plan_source(source: str, config: IngestConfig, is_known: bool) -> list[SourceShard]:
    shards: list[SourceShard] = []
    files: list[SourceFile] = []
    named = [kind for kind in SOURCES.values() if kind.prefix and source.startswith(kind.prefix)]
    try:
        if named:
            shards.extend(named[0].plan(SourcePlace(source), [], config))
        else:
            place, found = find_files(source, config.follow_links)
            left = files = set_aside(place, found, config.follow_links)
            for kind in SOURCES.values():
                takes = [kind.takes(file.path) and (not file.is_table or kind is SOURCES["file"]) for file in left]
                taken = list(compress(left, takes))
                left = list(compress(left, map(not_, takes)))
                shards.extend(kind.plan(place, taken, config) if taken else ())
    except SourceMissingError:
        if not is_known or config.mode != "copy":
            raise
    if not shards and not is_known:
        raise ValueError(f"source {source!r} holds no samples{_instead(files)}")
    return shards


def _instead(files: Sequence[SourceFile]) -> str:
    """What a source holds that holds no samples."""
    kinds = Counter(f".{split_name(file.path)[1] or ''}" for file in files).most_common(MOST_KINDS)
    held = ", ".join(f"{n:,} {kind}" for kind, n in kinds)
    is_list = any(kind in (".csv", ".tsv", ".jsonl", ".ndjson") for kind, _ in kinds)
    return (f", only {held}" if held else "") + (f"; a list of samples is named {PREFIX}FILE" if is_list else "")
