"""Files of object stores and other places that fsspec lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
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
    "Content-MD5",
    "Digest",
    "Last-Modified",
)
AT_ONCE = 16

_NOT_LISTED = (400, 401, 403, 404, 405, 410, 501)
"""Statuses of the web that stay when asked again."""


def file_system(uri: str) -> tuple[Any, str]:
    """Return the file system of a URI, and the place in it."""
    fs, place = fsspec.core.url_to_fs(uri)
    return fs, place


def glob_objects(fs: Any, pattern: str, root: str) -> Iterator[SourceFile]:
    """Yield the files that match a pattern, or lie below a folder that does, named relative to `root`."""
    found = fs.glob(pattern, detail=True)
    files = {name: info for name, info in found.items() if info["type"] != "directory"}
    for name in _highest(name for name, info in found.items() if info["type"] == "directory"):
        files.update(fs.find(name, detail=True))
    return _described(fs, ((name.removeprefix(root.rstrip("/")).lstrip("/"), info) for name, info in files.items()))


def _highest(folders: Iterable[str]) -> list[str]:
    """The folders that lie in no other of them: all below one is listed with it."""
    highest: list[str] = []
    for folder in sorted(folders, key=lambda name: name.split("/")):
        if not highest or not folder.startswith(f"{highest[-1]}/"):
            highest.append(folder)
    return highest


def list_objects(folder: str, wanted: Callable[[str], bool] | None = None) -> Iterator[SourceFile]:
    """Yield the files below a folder, in any order; those with wanted names in the folder itself, if that is said."""
    fs, place = file_system(folder)
    found = fs.find(place, maxdepth=1 if wanted else None, detail=True).items()
    named = ((name.removeprefix(place.rstrip("/")).lstrip("/"), info) for name, info in found)
    # object stores keep empty objects named like folders
    files = ((path, info) for path, info in named if path and not path.endswith("/"))
    return _described(fs, ((path, info) for path, info in files if wanted is None or wanted(path)))


def list_where_allowed(folder: str, wanted: Callable[[str], bool]) -> list[SourceFile]:
    """Return some files of a folder; none where nobody may list it, as on most servers and in many buckets."""
    try:
        return list(list_objects(folder, wanted))
    except Exception as error:
        if isinstance(error, (FileNotFoundError, PermissionError)) or getattr(error, "status", None) in _NOT_LISTED:
            return []
        raise


def info_of(fs: Any, place: str) -> Mapping[str, Any] | None:
    """Return what a store or server says of a file or folder; None where there is none, or none that may be read.

    Raises whatever ended the request otherwise: that says nothing about the file.
    """
    try:
        info: Mapping[str, Any] = fs.info(place)
        return info
    except (FileNotFoundError, PermissionError) as error:
        cause = error.__cause__  # on the web fsspec finds no file, whatever the matter is
        if place.startswith(("http://", "https://")) and cause and getattr(cause, "status", None) not in _NOT_LISTED:
            raise cause from None
        return None


def _described(fs: Any, files: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[SourceFile]:
    """Yield files; the listing of a web server says nothing of them, so each is asked for."""
    listed = list(files)
    unknown = [n for n, (_, info) in enumerate(listed) if info.get("size") is None]
    if unknown:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            asked = list(threads.map(lambda n: info_of(fs, listed[n][1]["name"]), unknown))
        gone = {n for n, info in zip(unknown, asked, strict=True) if info is None}
        told = {n: info for n, info in zip(unknown, asked, strict=True) if info is not None}
        listed = [(path, told.get(n, info)) for n, (path, info) in enumerate(listed) if n not in gone]
    yield from (describe_object(path, info) for path, info in listed)


def describe_object(path: str, info: Mapping[str, Any]) -> SourceFile:
    """Return a file as the store describes it: its identity is its size and its ETag, or when it was changed."""
    changed = next((info[key] for key in _IDENTITY_KEYS if info.get(key) is not None), "")
    return SourceFile(path, f"{info['size']}-{changed}".replace('"', ""), n_bytes=info["size"] or 0)
