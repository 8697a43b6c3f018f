"""What a kind of source is, and the bytes that it hands out; all kinds are in `all_sources.py`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol

from windrow.tasks.storage.sources.listing.source_files import FEW_SAMPLES, open_or_reason
from windrow.tasks.storage.sources.listing.source_place import SourcePlace, locate, source_root
from windrow.tasks.storage.sources.source_shard import (
    Already,
    Found,
    IngestConfig,
    SourceFile,
    SourceShard,
    sample_id_of,
)

OPEN_FILES = 8
CHANGED = "changed since it was ingested"


@dataclass(frozen=True)
class SampleGone:
    """Stands for the bytes of a sample that is no longer where it was seen; `reason` says why."""

    reason: str


@dataclass(frozen=True)
class SampleBytes:
    """A sample's bytes, and those of the files that come with it, by extension."""

    data: bytes
    members: dict[str, bytes]


Row = dict[str, Any]
"""A row of OCCURRENCES."""
Reading = dict[int, SampleBytes | SampleGone]


class Source(Protocol):
    """A kind of source. `prefix` is what its sources begin with; '' for files that lie in folders or match globs.

    `fetches`: whether its samples are fetched from where `ingest.fetch` allows, and may come in a later run.
    """

    prefix: ClassVar[str] = ""
    fetches: ClassVar[bool] = False

    def takes(self, path: str) -> bool:
        """Whether a file in a folder is of this kind, where it is of none before it."""
        return False

    def plan(self, place: SourcePlace, files: Sequence[SourceFile], config: IngestConfig) -> Iterable[SourceShard]:
        """Return the shards; `files` are those of the source that it takes, sorted.

        Of a kind with a prefix there are none, and of the place only the source is known.
        """
        ...

    def iterate(
        self, shard: SourceShard, config: IngestConfig, copy: Path | None, already: Already | None
    ) -> Iterator[Found]:
        """Yield every occurrence of a shard that has no error: see `iterate_shard`."""
        ...

    def read(self, rows: Mapping[int, Row], opened: OpenFiles, with_members: bool) -> Reading:
        """Return the bytes of occurrences of one shard, under the same numbers, checked against their `sample_id`."""
        ...

    def keeps(self, shard: SourceShard, config: IngestConfig, key: str | None = None) -> bool:
        """Whether ingest packs a sample's bytes into the store; without a key, whether it may."""
        return config.mode == "copy"


def checked(data: bytes, row: Row, members: dict[str, bytes]) -> SampleBytes | SampleGone:
    """Return the bytes of an occurrence, unless they are no longer what was ingested."""
    return SampleBytes(data, members) if sample_id_of(data) == row["sample_id"] else SampleGone(CHANGED)


def root_of_shard(shard: SourceShard) -> str:
    """Return what the paths of a shard's files are relative to."""
    return source_root(shard.source_uri, shard.shard, shard.reach)


def open_shard(shard: SourceShard) -> BinaryIO | Found:
    """Open the file that a shard is; when it cannot be, the occurrence that says so."""
    file = open_or_reason(locate(shard.source_uri, shard.shard, root_of_shard(shard)))
    return Found(0, shard.name, None, error=file) if isinstance(file, str) else file


class OpenFiles:
    """The files that were read last, kept open, and the roots of sources."""

    def __init__(self, store: Path | None) -> None:
        self._store = store
        self._files: OrderedDict[str, BinaryIO] = OrderedDict()
        self._roots: dict[tuple[str, bool], str] = {}

    def __enter__(self) -> OpenFiles:
        return self

    def __exit__(self, *_: object) -> None:
        while self._files:
            self._files.popitem()[1].close()

    def locate(self, source: str, path: str) -> str:
        key = (source, source.rpartition("/")[2] == path)
        if key not in self._roots:
            self._roots[key] = source_root(source, path)
        return locate(source, path, self._roots[key])

    def open(self, rows: Mapping[int, Row]) -> BinaryIO | str:
        """The file that the shard of some rows is, or the reason why it cannot be opened."""
        row = next(iter(rows.values()))
        return self._open(self.locate(row["source_uri"], row["shard"]))

    def open_copy(self, copy: str) -> BinaryIO | str:
        return self._open(str((self._store or Path()) / copy))

    def _open(self, location: str) -> BinaryIO | str:
        file = self._files.pop(location, None) or open_or_reason(location, FEW_SAMPLES)
        if isinstance(file, str):
            return file
        self._files[location] = file
        if len(self._files) > OPEN_FILES:
            self._files.popitem(last=False)[1].close()
        return file
