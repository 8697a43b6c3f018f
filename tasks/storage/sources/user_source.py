"""A source of the user's own: 'python:MODULE:CLASS:PLACE', a class that is called with PLACE (a text) and has

- `shards()`: pairs of a shard's name and its identity, a text that changes whenever what is in it may have;
- `samples(shard)`: for a shard's name, triples of a sample's key, its bytes and its named values, always in one order.

The values are as a row of Parquet has them: those of `ingest.label_key` and the like are taken out, others are
metadata. The bytes are packed into the store. A shard is ingested again when its identity changes, or the source of the
module does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from windrow.tasks.fetching.credentials import real
from windrow.tasks.storage.sources.listing.source_place import SourcePlace
from windrow.tasks.storage.sources.parquet_source import row_fields
from windrow.tasks.storage.sources.source import OpenFiles, Reading, Row, SampleGone, Source
from windrow.tasks.storage.sources.source_fields import split_name
from windrow.tasks.storage.sources.source_shard import (
    Already,
    Found,
    IngestConfig,
    SourceFile,
    SourceShard,
    too_large,
)
from windrow.tasks.storage.store.outputs import fingerprint
from windrow.tasks.user_code import PREFIX, make_user_object, user_code_digest


class UserSource(Source):
    """Shards and samples from a class of the user's own. Raises ValueError naming it, and what came, if it is amiss."""

    prefix = PREFIX

    def plan(self, place: SourcePlace, files: Sequence[SourceFile], config: IngestConfig) -> Iterator[SourceShard]:
        source = place.source
        digest = user_code_digest(_name_and_place(source)[0])
        seen: set[str] = set()
        for each in _made(source).shards():
            if not _are_texts(each, 2) or each[0] in seen:
                raise ValueError(f"{source!r}: shards() wants pairs of a new name and an identity, gave {each!r}")
            seen.add(each[0])
            yield SourceShard(source, "python", each[0], fingerprint(digest, each[1]))

    def iterate(
        self, shard: SourceShard, config: IngestConfig, copy: Path | None, already: Already | None
    ) -> Iterator[Found]:
        for position, sample in enumerate(_made(shard.source_uri).samples(shard.shard)):
            yield _found(shard, position, sample, config)

    def read(self, rows: Mapping[int, Row], opened: OpenFiles, with_members: bool) -> Reading:
        return {n: SampleGone("is not in the store's copy") for n in rows}

    def keeps(self, shard: SourceShard, config: IngestConfig, key: str | None = None) -> bool:
        return True


def _found(shard: SourceShard, position: int, sample: Any, config: IngestConfig) -> Found:
    kinds = (str, bytes, Mapping)
    if not (isinstance(sample, tuple) and len(sample) == 3 and all(map(isinstance, sample, kinds))):
        came = tuple(type(part).__name__ for part in sample) if isinstance(sample, tuple) else type(sample).__name__
        raise ValueError(f"{shard.source_uri!r}: samples() wants (key, bytes, values), gave {came} in {shard.shard!r}")
    key, data, values = sample
    error = too_large(len(data), config)
    fields = row_fields(values, None, config)
    name = split_name(key)[1]
    return Found(position, key, name, None, len(data), None if error else data, error, **vars(fields))


def _made(source: str) -> Any:
    name, place = _name_and_place(real(source))
    return make_user_object(name, ("shards", "samples"), place)


def _name_and_place(source: str) -> tuple[str, str]:
    prefix, *parts = source.split(":", 3)
    if len(parts) != 3:
        raise ValueError(f"sources: wants python:MODULE:CLASS:PLACE, got {source!r}")
    return f"{prefix}:{parts[0]}:{parts[1]}", parts[2]


def _are_texts(values: Any, n: int) -> bool:
    return isinstance(values, tuple) and len(values) == n and all(isinstance(value, str) for value in values)
