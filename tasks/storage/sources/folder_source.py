"""Loose files: each is an occurrence, with the sidecars that lie beside it."""

from __future__ import annotations

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
from windrow.tasks.storage.sources.source_files import (
    find_siblings,
    is_folder,
    locate,
    open_file,
    open_or_reason,
    source_root,
)
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
from windrow.tasks.storage.unusable.orphans import find_orphans
from windrow.tasks.storage.unusable.other_formats import HEAD_BYTES, format_by_name, other_format

MEAN_FILES = 512
MAX_FILES = 2048


class FolderSource(Source):
    """Loose files, put together so that a shard is some work, at boundaries that depend on their names alone.

    So a new file changes the shard that it falls into and leaves the others as they were. It takes what no other does.
    """

    def takes(self, path: str) -> bool:
        return True

    def plan(self, source: str, files: Sequence[SourceFile], config: IngestConfig) -> list[SourceShard]:
        samples = {file.path: file for file in files if file.error or not is_sidecar(split_name(file.path)[1])}
        if is_folder(source):
            beside = list(files)
            samples.update((file.path, file) for file in find_orphans(source, files, list(samples)))
        else:
            beside = _siblings(source, samples, config.follow_links)
        sidecars, unread = _sidecars(beside), _unread_sidecars(beside, samples)
        samples = dict(sorted({**samples, **unread}.items()))
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
            location = locate(shard.source_uri, file.path, root)
            data = read_whole(location, config.max_bytes)
            yield Found(
                position=position,
                key=file.path,
                extension=extension,
                byte_length=len(data) if isinstance(data, bytes) else data if isinstance(data, int) else None,
                data=data if isinstance(data, bytes) else None,
                error=_beyond(location, data, config) if isinstance(data, int) else _reason(data),
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


def _reason(data: bytes | str) -> str | None:
    return data if isinstance(data, str) else None


def _beyond(location: str, size: int, config: IngestConfig) -> str | None:
    """Return why a file that is too large is not read: it may be no picture at all."""
    head = open_or_reason(location)
    if isinstance(head, str):
        return head
    with head:
        other = other_format(head.read(HEAD_BYTES)) or format_by_name(split_name(location)[1])
    return other or too_large(size, config)


def read_beside(shard: SourceShard, found: Found, max_bytes: int) -> dict[str, bytes]:
    """Return the files that come with an occurrence, by extension; only loose files have any apart from their tar.

    One that has changed since the source was listed comes as it is now (the next run sees that it has), and one that
    is gone or has grown beyond `max_bytes` does not come.
    """
    if shard.kind != "file":
        return {}
    root, stem = source_root(shard.source_uri, shard.shard), split_name(found.key)[0]
    beside = {}
    for member in found.members:
        data = read_whole(locate(shard.source_uri, f"{stem}.{member.extension}", root), max_bytes)
        if isinstance(data, bytes):
            beside[member.extension] = data
    return beside


def read_sidecar(location: str) -> bytes | str:
    """Return the bytes of a sidecar, or the reason why it is not read."""
    data = read_whole(location, MAX_SIDECAR_BYTES)
    return f"larger than {MAX_SIDECAR_BYTES} bytes" if isinstance(data, int) else data


def _folder_label(path: str, config: IngestConfig) -> str | None:
    folders = path.split("/")[:-1]
    return folders[-1] if config.folder_labels and folders else None


def _siblings(source: str, samples: Iterable[str], follow_links: bool) -> list[SourceFile]:
    """Return all files beside the samples: a glob or a single file does not reach their sidecars."""
    folders = {path.rpartition("/")[0]: path for path in samples}
    return [file for path in folders.values() for file in find_siblings(source, path, follow_links)]


def _unread_sidecars(files: Iterable[SourceFile], samples: Iterable[str]) -> dict[str, SourceFile]:
    """Return what comes with a sample and cannot be read: it is told as an occurrence of its own."""
    stems = {split_name(path)[0] for path in samples}
    named = ((file, *split_name(file.path)) for file in files if file.error)
    return {file.path: file for file, stem, extension in named if is_sidecar(extension) and stem in stems}


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
