"""Sources: where samples lie, read in place.

`plan_shards` says which shards the sources have, `iterate_shard` what is in a shard (with the bytes, for ingest to
verify), and `read_samples` fetches the bytes again from where occurrences were seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from windrow.tasks.storage.sources.folder_source import iterate_files
from windrow.tasks.storage.sources.parquet_source import iterate_parquet
from windrow.tasks.storage.sources.sample_bytes import (
    SampleBytes,
    SampleGone,
    open_or_reason,
    read_members,
    read_samples,
)
from windrow.tasks.storage.sources.source_files import locate
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import Found, IngestConfig, SourceShard
from windrow.tasks.storage.sources.tar_source import iterate_tar
from windrow.tasks.storage.sources.unpacking import is_compressed, unpack

__all__ = [
    "Found",
    "SampleBytes",
    "SampleGone",
    "SourceShard",
    "iterate_shard",
    "plan_shards",
    "read_members",
    "read_samples",
]


Already = Callable[[int], bytes | str | None]


def iterate_shard(
    shard: SourceShard, config: IngestConfig, copy: Path | None = None, already: Already | None = None
) -> Iterator[Found]:
    """Yield every occurrence of a shard once, in order of position, with one sample's bytes in memory at a time.

    copy: where to write the tar, decompressed, when it is compressed or the config says 'copy'; byte offsets are then
    those in the copy. Without it a compressed tar cannot be read, and is an occurrence that says so.

    Data that cannot be read is an occurrence with an error. Of a list more than one sample is in memory, and what
    `already` knows is not fetched: see `iterate_list`. Raises ValueError when a Parquet file has no image column,
    and OSError when the disk or the network fails, which says nothing about the data.
    """
    if shard.kind == "file":
        yield from iterate_files(shard, config)
        return
    if shard.kind == "url" and shard.error is None:
        from windrow.tasks.storage.sources.list_source import iterate_list  # costs 0.1 s, which only lists are worth

        yield from iterate_list(shard, config, already)
        return
    name = shard.shard.rpartition("/")[2]
    file = shard.error or open_or_reason(locate(shard.source_uri, shard.shard))
    if isinstance(file, str):
        yield Found(0, name, None, error=file)
        return
    with file:
        if shard.kind == "parquet":
            yield from iterate_parquet(file, name, config)
        elif copy is not None and (config.mode == "copy" or is_compressed(file)):
            reason = unpack(file, copy)
            with copy.open("rb") as unpacked:
                yield from iterate_tar(unpacked, name, config, cut=reason)
        else:
            yield from iterate_tar(file, name, config)
