"""Loose files: each is an occurrence, with the sidecars that lie beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from windrow.tasks.storage.sources.beside.class_folders import (
    BY_DEFAULT,
    FOLDER,
    are_class_folders,
    class_folder,
    folder_of,
)
from windrow.tasks.storage.sources.beside.key_members import ALL, KINDS, roles_of
from windrow.tasks.storage.sources.beside.loose_files import LooseFiles, loose_files, split_key
from windrow.tasks.storage.sources.beside.metadata_tables import NAMES, Listing, is_metadata, read_listing
from windrow.tasks.storage.sources.beside.partitions import partition_layers
from windrow.tasks.storage.sources.listing.source_files import find_siblings, open_file, open_or_reason
from windrow.tasks.storage.sources.listing.source_place import SourcePlace, locate
from windrow.tasks.storage.sources.source import (
    CHANGED,
    OpenFiles,
    Reading,
    Row,
    SampleBytes,
    SampleGone,
    Source,
    checked,
    root_of_shard,
)
from windrow.tasks.storage.sources.source_fields import (
    MAX_SIDECAR_BYTES,
    Layer,
    Sidecar,
    is_image,
    is_sidecar,
    read_sidecars,
    split_name,
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

    def plan(self, place: SourcePlace, files: Sequence[SourceFile], config: IngestConfig) -> list[SourceShard]:
        tables = [file for file in files if is_metadata(file)]
        samples = {file.path: file for file in files if file.error or not _is_beside(file)}
        around = list(files if place.reach == "folder" else _siblings(place, samples, config.follow_links))
        tables = tables if place.reach == "folder" else [file for file in around if is_metadata(file)]
        listing = read_listing(place, tables, list(samples), config) if tables else Listing()
        if place.reach == "folder":
            samples.update((file.path, file) for file in find_orphans(place, files, list(samples)))
        else:
            listing.missing.clear()  # a glob need not reach what is there
            samples.update(_unread_sidecars(around, samples))
        found = loose_files(samples, around, listing, config)
        by_class = _by_class_folders(found, listing, config)
        shards = []
        for paths in cut_by_content(list(found.files), MEAN_FILES, MAX_FILES):
            loose = tuple(found.files[path] for path in paths)
            identities = [found.identities[path] for path in paths]
            identity = fingerprint([*identities, "class folders"] if by_class else identities)
            shards.append(
                SourceShard(place.source, "file", paths[0], identity, loose, class_folders=by_class, reach=place.reach)
            )
        return shards

    def iterate(
        self, shard: SourceShard, config: IngestConfig, copy: Path | None, already: Already | None
    ) -> Iterator[Found]:
        """Yield every loose file of the shard, in order; `key` is the whole path, so that it leads back to the file."""
        root = root_of_shard(shard)
        for position, file in enumerate(shard.files):
            stem, extension = split_name(file.path)
            if file.error:
                yield Found(position, file.path, extension, error=file.error)
                continue
            sidecars = _read_sidecars(file, f"{locate(shard.source_uri, stem, root)}.", extension or "", config)
            location = locate(shard.source_uri, file.path, root)
            data = read_whole(location, config.max_bytes)
            listed = json.loads(file.listed, parse_constant=lambda _: None) if file.listed else {}
            yield Found(
                position=position,
                key=file.path,
                extension=extension,
                byte_length=len(data) if isinstance(data, bytes) else data if isinstance(data, int) else None,
                data=data if isinstance(data, bytes) else None,
                error=_beyond(location, data, config) if isinstance(data, int) else _reason(data),
                members=_members(file, config),
                **vars(read_sidecars(sidecars, config, _beneath(file, listed, shard.class_folders, config))),
                columns=tuple(listed),
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
    root, stem = root_of_shard(shard), split_name(found.key)[0]
    beside = {}
    for member in found.members:
        data = read_whole(locate(shard.source_uri, member.path or f"{stem}.{member.extension}", root), max_bytes)
        if isinstance(data, bytes):
            beside[member.extension] = data
    return beside


def read_sidecar(location: str) -> bytes | str:
    """Return the bytes of a sidecar, or the reason why it is not read."""
    data = read_whole(location, MAX_SIDECAR_BYTES)
    return f"larger than {MAX_SIDECAR_BYTES} bytes" if isinstance(data, int) else data


def _read_sidecars(file: LooseFile, start: str, extension: str, config: IngestConfig) -> list[Sidecar]:
    """The sidecars of a file that are read, those that win first; `start`: what their locations begin with."""
    names = [name for name, _ in file.sidecars]
    if not names:
        return []
    roles = roles_of([extension, *map(str.lower, names)], (ALL,), config.label_key, config.caption_key)
    told = roles.told[0] if roles.samples[:1] == (0,) else ()
    read = [(names[each.number - 1], each.kind) for each in told]
    return [Sidecar(name.lower(), kind, read_sidecar(f"{start}{name}")) for name, kind in read]


def _members(file: LooseFile, config: IngestConfig) -> tuple[Member, ...]:
    named = [Member(name, None, size) for name, size in file.sidecars if size <= config.max_bytes]
    return (
        *named,
        *(Member(name, None, size, path) for name, path, size in file.elsewhere if size <= config.max_bytes),
    )


def _beneath(file: LooseFile, listed: Mapping[str, Any], by_class: bool, config: IngestConfig) -> Sequence[Layer]:
    """What is known of a file beside its sidecars: its metadata row, its partitions, its folder."""
    layers = list(partition_layers(file.path, config.label_key))
    if file.table:
        layers.insert(0, (file.table.rpartition("/")[2], listed))
    folder = class_folder(file.path) if by_class else folder_of(file.path) if config.folder_labels is True else None
    return [*layers, (BY_DEFAULT if by_class else FOLDER, {config.label_key: folder})] if folder else layers


def _is_beside(file: SourceFile) -> bool:
    return file.is_table or is_sidecar(split_name(file.path)[1])


def _by_class_folders(found: LooseFiles, listing: Listing, config: IngestConfig) -> bool:
    """Whether the folders of a source are taken for classes because nothing else names one."""
    if config.folder_labels != "auto" or listing.has_labels:
        return False
    labelled = any(KINDS.get(name.lower()) == "label" for file in found.files.values() for name, _ in file.sidecars)
    images = [file.path for file in found.files.values() if is_image(split_name(file.path)[1])]
    return not labelled and not any("=" in path for path in images) and are_class_folders(images)


def _siblings(place: SourcePlace, samples: Iterable[str], follow_links: bool) -> Iterator[SourceFile]:
    """Yield what may come with samples beside them: a glob or a single file does not reach it."""
    folders, keys = {path.rpartition("/")[0]: path for path in samples}, {split_key(path)[0] for path in samples}

    def may_come(path: str) -> bool:
        is_beside = is_sidecar(split_name(path)[1]) and split_key(path)[0] in keys
        return is_beside or path.rpartition("/")[2] in NAMES

    for path in folders.values():
        yield from find_siblings(place, path, follow_links, may_come)


def _unread_sidecars(files: Iterable[SourceFile], samples: Iterable[str]) -> dict[str, SourceFile]:
    """Return what comes with a sample and cannot be read: it is told as an occurrence of its own."""
    stems = {split_name(path)[0] for path in samples}
    named = ((file, *split_name(file.path)) for file in files if file.error)
    return {file.path: file for file, stem, extension in named if is_sidecar(extension) and stem in stems}


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
        beside = opened.locate(row["source_uri"], member.get("path") or f"{stem}.{member['extension']}")
        found = read_whole(beside, member["byte_length"])
        if not isinstance(found, bytes) or len(found) != member["byte_length"]:
            return SampleGone(f"{member['extension']} beside it: {found if isinstance(found, str) else CHANGED}")
        members[member["extension"]] = found
    return checked(data, row, members)
