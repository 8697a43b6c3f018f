"""Loose files: each is an occurrence, with the sidecars that lie beside it."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

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
from windrow.tasks.storage.sources.source_fields import (
    MAX_SIDECAR_BYTES,
    READ_SIDECARS,
    is_sidecar,
    read_sidecars,
    split_name,
)
from windrow.tasks.storage.sources.source_files import find_siblings, is_folder, locate, open_file, source_root
from windrow.tasks.storage.sources.source_shard import (
    Already,
    Found,
    IngestConfig,
    LooseFile,
    Member,
    SourceFile,
    SourceShard,
    access_error,
    too_large,
)
from windrow.tasks.storage.store.outputs import fingerprint

MEAN_FILES = 512
MAX_FILES = 2048


class FolderSource(Source):
    """Loose files, put together so that a shard is some work, at boundaries that depend on their names alone.

    So a new file changes the shard that it falls into and leaves the others as they were. It takes what no other does.
    """

    def takes(self, path: str) -> bool:
        return True

    def plan(self, source: str, files: Sequence[SourceFile], config: IngestConfig) -> list[SourceShard]:
        samples = {file.path: file for file in files if not is_sidecar(split_name(file.path)[1])}
        sidecars = _sidecars(files if is_folder(source) else _siblings(source, samples))
        shards = []
        for paths in cut_by_content(list(samples), MEAN_FILES, MAX_FILES):
            loose, identities = [], []
            for path in paths:
                beside = sidecars.get(split_name(path)[0], [])
                named = tuple((file.path.rpartition(".")[2], file.n_bytes) for file in beside)
                loose.append(LooseFile(path, named, samples[path].error))
                identities.append([path, samples[path].identity, [[file.path, file.identity] for file in beside]])
            shards.append(SourceShard(source, "file", paths[0], fingerprint(identities), tuple(loose)))
        return shards

    def iterate(
        self, shard: SourceShard, config: IngestConfig, copy: Path | None, already: Already | None
    ) -> Iterator[Found]:
        """Yield every loose file of the shard, in order; `key` is the whole path, so that it leads back to the file."""
        root = source_root(shard.source_uri, shard.shard)
        for position, file in enumerate(shard.files):
            stem, extension = split_name(file.path)
            if file.error:
                yield Found(position, file.path, extension, error=file.error)
                continue
            read = [name for name, _ in file.sidecars if name.lower() in READ_SIDECARS]
            beside = {name: read_sidecar(locate(shard.source_uri, f"{stem}.{name}", root)) for name in read}
            fields = read_sidecars({name.lower(): data for name, data in beside.items()}, config)
            data = read_whole(locate(shard.source_uri, file.path, root), config.max_bytes)
            yield Found(
                position=position,
                key=file.path,
                extension=extension,
                byte_length=len(data) if isinstance(data, bytes) else data if isinstance(data, int) else None,
                data=data if isinstance(data, bytes) else None,
                error=too_large(data, config) if isinstance(data, int) else data if isinstance(data, str) else None,
                label=fields.label or _folder_label(file.path, config),
                caption=fields.caption,
                group=fields.group,
                metadata=fields.metadata,
                members=tuple(Member(name, None, size) for name, size in file.sidecars if size <= config.max_bytes),
                license=fields.license,
            )

    def read(self, rows: Mapping[int, Row], opened: OpenFiles, with_members: bool) -> Reading:
        return {n: _read_loose(opened, row, with_members) for n, row in rows.items()}


def read_whole(location: str, max_bytes: int) -> bytes | int | str:
    """Return a file's bytes; its size when it has more than `max_bytes`; the reason when it cannot be opened.

    Raises OSError when the disk or the network fails: that says nothing about the file.
    """
    try:
        with open_file(location) as file:
            size = file.seek(0, 2)
            file.seek(0)
            return size if size > max_bytes else file.read()
    except OSError as error:
        reason = access_error(error)
        if reason is None:
            raise
        return reason


def read_beside(shard: SourceShard, found: Found) -> dict[str, bytes]:
    """Return the files that come with an occurrence, by extension; only loose files have any apart from their tar.

    Raises OSError when one is not as it was when the source was listed.
    """
    if shard.kind != "file":
        return {}
    root, stem = source_root(shard.source_uri, shard.shard), split_name(found.key)[0]
    beside = {}
    for member in found.members:
        location = locate(shard.source_uri, f"{stem}.{member.extension}", root)
        data = read_whole(location, member.byte_length)
        if not isinstance(data, bytes) or len(data) != member.byte_length:
            raise OSError(errno.ESTALE, "changed while it was ingested", location)
        beside[member.extension] = data
    return beside


def read_sidecar(location: str) -> bytes | str:
    """Return the bytes of a sidecar, or the reason why it is not read."""
    data = read_whole(location, MAX_SIDECAR_BYTES)
    return f"larger than {MAX_SIDECAR_BYTES} bytes" if isinstance(data, int) else data


def _folder_label(path: str, config: IngestConfig) -> str | None:
    folders = path.split("/")[:-1]
    return folders[-1] if config.folder_labels and folders else None


def _siblings(source: str, samples: Iterable[str]) -> list[SourceFile]:
    """Return all files beside the samples: a glob or a single file does not reach their sidecars."""
    folders = {path.rpartition("/")[0]: path for path in samples}
    return [file for path in folders.values() for file in find_siblings(source, path)]


def _sidecars(files: Iterable[SourceFile]) -> dict[str, list[SourceFile]]:
    found: dict[str, list[SourceFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        stem, extension = split_name(file.path)
        if is_sidecar(extension) and file.error is None:
            found.setdefault(stem, []).append(file)
    return found


def cut_by_content(paths: Sequence[str], mean: int, most: int) -> list[list[str]]:
    """Cut sorted distinct paths into runs of `mean` on average and at most `most`.

    A run starts at each path whose hash is a multiple of `mean`. A run that is longer than `most` is cut in two where
    the hash is smallest, until none is. So a path that is added or removed changes only runs between the two
    neighbouring multiples: one of them, or two when it is (or was) itself a start.
    """
    hashes = [int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest(), "big") for path in paths]
    starts = [n for n, value in enumerate(hashes) if n == 0 or value % mean == 0]
    runs: list[list[str]] = []
    pending = list(reversed(list(zip(starts, [*starts[1:], len(paths)], strict=False))))
    while pending:
        start, end = pending.pop()
        if end - start <= most:
            runs.append(list(paths[start:end]))
            continue
        middle = min(range(start + 1, end), key=lambda n: hashes[n])
        pending += [(middle, end), (start, middle)]
    return runs


def _read_loose(opened: OpenFiles, row: Row, with_members: bool) -> SampleBytes | SampleGone:
    data = read_whole(opened.locate(row["source_uri"], row["key"]), row["byte_length"])
    if not isinstance(data, bytes):
        return SampleGone(CHANGED if isinstance(data, int) else data)
    stem = split_name(row["key"])[0]
    members = {}
    for member in row["members"] or () if with_members else ():
        beside = opened.locate(row["source_uri"], f"{stem}.{member['extension']}")
        found = read_whole(beside, member["byte_length"])
        if not isinstance(found, bytes) or len(found) != member["byte_length"]:
            return SampleGone(f"{member['extension']} beside it: {found if isinstance(found, str) else CHANGED}")
        members[member["extension"]] = found
    return checked(data, row, members)
