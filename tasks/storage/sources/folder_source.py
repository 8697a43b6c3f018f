"""Loose files: each is an occurrence, with the sidecars that lie beside it."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from windrow.tasks.storage.sources.source_fields import MAX_SIDECAR_BYTES, READ_SIDECARS, read_sidecars, split_name
from windrow.tasks.storage.sources.source_files import locate, open_file, source_root
from windrow.tasks.storage.sources.source_shard import Found, IngestConfig, Member, SourceShard, access_error, too_large


def iterate_files(shard: SourceShard, config: IngestConfig) -> Iterator[Found]:
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
