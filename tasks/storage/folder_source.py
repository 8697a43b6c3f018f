"""Loose files: each is an occurrence, with the sidecars that lie beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from windrow.tasks.storage.source_fields import MAX_SIDECAR_BYTES, Fields, read_sidecars, split_name
from windrow.tasks.storage.source_files import locate, open_file, source_root
from windrow.tasks.storage.source_shard import Found, IngestConfig, LooseFile, SourceShard, access_error, too_large


def iterate_files(shard: SourceShard, config: IngestConfig) -> Iterator[Found]:
    """Yield every loose file of the shard, in order; `key` is the whole path, so that it leads back to the file."""
    root = source_root(shard.source_uri, shard.shard)
    for position, file in enumerate(shard.files):
        found = Found(position, file.path, split_name(file.path)[1], error=file.error)
        yield found if file.error else _read(locate(shard.source_uri, file.path, root), found, file, config)


def _read(location: str, found: Found, file: LooseFile, config: IngestConfig) -> Found:
    data = read_whole(location, config.max_bytes)
    stem = location[: len(location) - len(file.path)] + split_name(file.path)[0]
    fields = read_sidecars({name.lower(): read_sidecar(f"{stem}.{name}") for name in file.sidecars}, config)
    found = replace(found, label=_label(file.path, fields, config), caption=fields.caption)
    found = replace(found, group=fields.group, metadata=fields.metadata)
    if isinstance(data, bytes):
        return replace(found, byte_length=len(data), data=data)
    if isinstance(data, int):
        return replace(found, byte_length=data, error=too_large(data, config))
    return replace(found, error=data)


def read_whole(location: str, max_bytes: int) -> bytes | int | str:
    """Return a file's bytes; its size when it has more than `max_bytes`; the reason when it cannot be opened.

    Raises OSError when the disk or the network fails: that says nothing about the file.
    """
    try:
        with open_file(location) as file:
            data = file.read(max_bytes + 1)
            return data if len(data) <= max_bytes else file.seek(0, 2)
    except OSError as error:
        reason = access_error(error)
        if reason is None:
            raise
        return reason


def read_sidecar(location: str) -> bytes | str:
    """Return the bytes of a sidecar, or the reason why it is not read."""
    data = read_whole(location, MAX_SIDECAR_BYTES)
    return f"larger than {MAX_SIDECAR_BYTES} bytes" if isinstance(data, int) else data


def _label(path: str, fields: Fields, config: IngestConfig) -> str | None:
    folders = path.split("/")[:-1]
    return fields.label or (folders[-1] if config.folder_labels and folders else None)
