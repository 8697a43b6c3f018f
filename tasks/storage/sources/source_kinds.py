"""Sources: where samples lie, read in place.

`plan_shards` says which shards the sources have, `iterate_shard` what is in a shard (with the bytes, for ingest to
verify), and `read_samples` fetches the bytes again from where occurrences were seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from windrow.tasks.storage.sources.all_sources import SOURCES
from windrow.tasks.storage.sources.sample_bytes import read_members, read_samples
from windrow.tasks.storage.sources.source import SampleBytes, SampleGone
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import Already, Found, IngestConfig, SourceShard

__all__ = [
    "SOURCES",
    "Found",
    "SampleBytes",
    "SampleGone",
    "SourceShard",
    "iterate_shard",
    "plan_shards",
    "read_members",
    "read_samples",
]


def iterate_shard(
    shard: SourceShard, config: IngestConfig, copy: Path | None = None, already: Already | None = None
) -> Iterator[Found]:
    """Yield every occurrence of a shard once, in order of position, with one sample's bytes in memory at a time.

    copy: where to write the tar, decompressed, when it is compressed or the config says 'copy'; byte offsets are then
    those in the copy. Without it a compressed tar cannot be read, and is an occurrence that says so.

    Data that cannot be read is an occurrence with an error. Of a list more than one sample is in memory, and what
    `already` knows is not fetched: see `ListSource`. Raises ValueError when a class of the user's own does not fit, and
    OSError when the disk or the network fails, which says nothing about the data.
    """
    if shard.error is not None:
        return iter([Found(0, shard.name, None, error=shard.error)])
    return SOURCES[shard.kind].iterate(shard, config, copy, already)
