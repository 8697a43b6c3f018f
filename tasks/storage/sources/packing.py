"""Samples packed into a tar of the store: what `ingest.mode: copy` does with loose files and with rows of Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from windrow.tasks.storage.files.tar_writer import TarWriter, Writable
from windrow.tasks.storage.published.member_names import free_names
from windrow.tasks.storage.sources.source_shard import Member


class Packing:
    """Writes a WebDataset tar, a key a sample, to a file that is open; the same samples give the same bytes."""

    def __init__(self, file: Writable) -> None:
        self._tar = TarWriter(file)
        self._offsets: dict[str, int] = {}
        self._beside: dict[tuple[str, str], tuple[Member, ...]] = {}

    @property
    def n_samples(self) -> int:
        """The number of samples in it."""
        return len(self._offsets)

    def add(
        self, sample_id: str, extension: str, data: bytes, members: Mapping[str, bytes]
    ) -> tuple[int, tuple[Member, ...]]:
        """Add a sample, with the files that come with it by extension; return where its bytes and theirs begin.

        What is there already is not added again. Where a sample comes a second time with other files than the first,
        these have a key of their own.
        """
        again = sample_id in self._offsets
        if not again:
            self._offsets[sample_id] = self._tar.add(f"{sample_id}.{extension}", data)
        digests = {name: hashlib.sha256(beside).hexdigest() for name, beside in members.items()}
        place = sample_id, str(digests)
        if place not in self._beside:
            key = f"{sample_id}-{len(self._beside)}" if again else sample_id
            self._beside[place] = tuple(self._add_members(key, extension, members))
        return self._offsets[sample_id], self._beside[place]

    def _add_members(self, key: str, extension: str, members: Mapping[str, bytes]) -> Iterator[Member]:
        for name, safe in free_names({name: name for name in members}, {extension}).items():
            data = members[name]
            yield Member(name, self._tar.add(f"{key}.{safe}", data), len(data))

    def __enter__(self) -> Self:
        self._tar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.__exit__(kind, error, trace)


def blank(copy: Path, ranges: Iterable[tuple[int, int]]) -> None:
    """Overwrite parts of a copy, by offset and length, with zeros."""
    with copy.open("r+b") as file:
        for offset, length in ranges:
            file.seek(offset)
            file.write(bytes(length))
