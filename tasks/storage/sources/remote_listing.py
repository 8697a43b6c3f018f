"""Files of object stores and other places that fsspec lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import fsspec

from windrow.tasks.storage.sources.source_shard import SourceFile

_IDENTITY_KEYS = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "created",
)

_NOT_LISTED = (400, 401, 403, 404, 405, 410, 501)
"""Statuses of the web that stay when asked again."""


def file_system(uri: str) -> tuple[Any, str]:
    """Return the file system of a URI, and the place in it."""
    fs, place = fsspec.core.url_to_fs(uri)
    return fs, place


def glob_objects(fs: Any, pattern: str, root: str) -> Iterator[SourceFile]:
    """Yield the files that match a pattern, or lie below a folder that does, named relative to `root`."""
    files: dict[str, Mapping[str, Any]] = {}
    for name, info in fs.glob(pattern, detail=True).items():
        files.update(fs.find(name, detail=True) if info["type"] == "directory" else {name: info})
    for name, info in files.items():
        yield describe_object(name.removeprefix(root.rstrip("/")).lstrip("/"), info)


def list_objects(folder: str, recursive: bool = True) -> Iterator[SourceFile]:
    """Yield the files below a folder, in any order."""
    fs, place = file_system(folder)
    for name, info in fs.find(place, maxdepth=None if recursive else 1, detail=True).items():
        path = name.removeprefix(place.rstrip("/")).lstrip("/")
        if path and not path.endswith("/"):  # object stores keep empty objects named like folders
            yield describe_object(path, info)


def list_where_allowed(folder: str) -> list[SourceFile]:
    """Return the files in a folder; none where nobody may list it, as on most servers and in many buckets."""
    try:
        return list(list_objects(folder, recursive=False))
    except Exception as error:
        if isinstance(error, (FileNotFoundError, PermissionError)) or getattr(error, "status", None) in _NOT_LISTED:
            return []
        raise


def describe_object(path: str, info: Mapping[str, Any]) -> SourceFile:
    """Return a file as the store describes it: its identity is its size and its ETag, or when it was changed."""
    changed = next((info[key] for key in _IDENTITY_KEYS if info.get(key) is not None), "")
    return SourceFile(path, f"{info['size']}-{changed}".replace('"', ""), n_bytes=info["size"])
