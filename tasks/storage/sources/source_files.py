"""The files of a source: found, located and opened, on local disks (os) and anywhere else (fsspec).

A source is a folder, a file or a glob. Its files are named by their path relative to its root: the folder, the file's
folder, or the part of the glob before the first wildcard. Names that start with a dot, and all below such a folder, are
hidden and left out. Links are followed where they lead to something in the source, but not back to a folder above;
those that lead outside are files with an error, unless the config says otherwise.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit, urlunsplit

from windrow.tasks.fetching.credentials import real
from windrow.tasks.storage.files.remote_file import RemoteFile, telling_no_secrets
from windrow.tasks.storage.sources.local_listing import Bounds, describe_file, glob_files, list_folder
from windrow.tasks.storage.sources.source_shard import SourceFile, SourceMissingError, access_error
from windrow.tasks.texts.uris import shown_uri

LOCAL_BUFFER = 2**18
_LOCAL = ("file://", "local://")


def find_files(source: str, follow_links: bool = False) -> list[SourceFile]:
    """Return the files of a source, sorted by path. Raises ValueError when the source does not exist."""
    source = real(source)
    found = _find_remote(source) if _is_remote(source) else _find_local(source, follow_links)
    return sorted((file for file in found if not is_hidden(file.path)), key=lambda file: file.path)


def find_siblings(source: str, path: str, follow_links: bool = False) -> list[SourceFile]:
    """Return the files that lie in the same folder as a file of the source, that file among them.

    None are known beside a URL with a query, which is of one file, and in a remote folder that may not be listed.
    """
    source = real(source)
    if _is_whole(source, path):
        return []
    root = source_root(source, path)
    place = locate(source, path, root).rpartition("/")[0]
    if _is_remote(place):
        with telling_no_secrets(place):
            files = _remote().list_where_allowed(place)
    else:
        files = list_folder(Path(place), Bounds(Path(root), follow_links), recursive=False)
    prefix = path[: path.rfind("/") + 1]
    return [replace(file, path=prefix + file.path) for file in files if not is_hidden(file.path)]


def local_place(source: str) -> Path | None:
    """Return the path of a local source, up to the first wildcard of a glob; None of any other."""
    if _is_remote(source):
        return None
    name = _plain_name(source)
    return Path(_glob_root(name) if glob.has_magic(name) and not _exists(source) else name)


def is_hidden(path: str) -> bool:
    """Say whether a part of a relative path starts with a dot ('.' and '..' aside)."""
    return any(part.startswith(".") and part not in (".", "..") for part in path.split("/"))


def is_folder(source: str) -> bool:
    """Say whether the source is an existing folder."""
    if not _is_remote(source):
        return _local_path(source).is_dir()
    fs, place = _remote().file_system(real(source))
    return bool(not fs.isfile(place) and fs.isdir(place))


def source_root(source: str, path: str) -> str:
    """Return the place that `path`, of a file of the source, is relative to; neither need exist (any more).

    For most sources their name alone says it. What is there is only looked at for a source that may be a glob or that
    file itself: to ask an object store whether a name is a folder can mean to list it.
    """
    source = real(source)
    if _is_whole(source, path):
        return urlunsplit(urlsplit(source)._replace(query="", fragment="")).rpartition("/")[0]
    name = _plain_name(source)
    if glob.has_magic(name) and not _exists(source):
        return _glob_root(name)
    is_itself = name.rpartition("/")[2] == path and not is_folder(source)
    return _parent(name) if is_itself else name


def locate(source: str, path: str, root: str | None = None) -> str:
    """Return the path or URL of a file of the source; `root` saves looking its root up again."""
    source = real(source)
    if _is_whole(source, path):
        return source  # with its query, without which the file may not be had
    root = root or source_root(source, path)
    return f"{root}{path}" if root.endswith("/") else f"{root}/{path}"


def _is_whole(source: str, path: str) -> bool:
    """Whether a source is a URL of the web, with a query, of this one file."""
    return "?" in source and source.startswith(("http://", "https://")) and _file_name(source) == path


def _file_name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


def open_file(location: str) -> BinaryIO:
    """Open a file that `locate` returned. A failure to read it is an OSError with a number, of whatever disk."""
    if _is_remote(location):
        fs, place = _remote().file_system(location)
        fs.invalidate_cache()  # a worker that lives for days would open yesterday's size of the file
        with telling_no_secrets(location):
            return cast(BinaryIO, RemoteFile(fs.open(place, "rb"), location))
    return Path(location).open("rb", buffering=LOCAL_BUFFER)


def open_or_reason(location: str) -> BinaryIO | str:
    """Open a file that `locate` returned, or say why it cannot be; OSError when the disk or the network fails."""
    try:
        return open_file(location)
    except OSError as error:
        reason = access_error(error)
        if reason is None:
            raise
        return reason


def _is_remote(uri: str) -> bool:
    return "://" in uri and not uri.startswith(_LOCAL)


def _plain_name(source: str) -> str:
    name = source if _is_remote(source) else os.fspath(_local_path(source))
    return name if name.endswith("://") else name.rstrip("/") or "/"


def _parent(name: str) -> str:
    return name.rpartition("/")[0] or ("/" if name.startswith("/") else ".")


def _glob_root(pattern: str) -> str:
    parts = pattern.split("/")
    return _parent("/".join(parts[: next(n for n, part in enumerate(parts) if glob.has_magic(part)) + 1]))


def _exists(uri: str) -> bool:
    if not _is_remote(uri):
        return _local_path(uri).exists()
    fs, place = _remote().file_system(uri)
    return bool(fs.exists(place))


def _local_path(uri: str) -> Path:
    return Path(uri.removeprefix("file://").removeprefix("local://")).expanduser()


def _find_local(source: str, follow_links: bool) -> Iterator[SourceFile]:
    path = _local_path(source)
    if path.is_dir():
        yield from list_folder(path, Bounds(path, follow_links))
    elif path.exists():
        yield describe_file(path, path.name)
    elif glob.has_magic(source):
        yield from glob_files(str(path), Bounds(Path(_glob_root(_plain_name(source))), follow_links))
    else:
        raise SourceMissingError(f"source {source!r} does not exist")


def _find_remote(source: str) -> Iterator[SourceFile]:
    with telling_no_secrets(source):
        yield from _list_remote(source)


def _list_remote(source: str) -> Iterator[SourceFile]:
    fs, place = _remote().file_system(source)
    fs.invalidate_cache()  # it keeps listings for the life of the process
    if fs.isfile(place):
        name = _file_name(place) if "?" in place and place.startswith("http") else place.rpartition("/")[2]
        yield _remote().describe_object(name, fs.info(place))
    elif fs.isdir(place):
        yield from _remote().list_objects(source)
    elif glob.has_magic(source):
        yield from _remote().glob_objects(fs, place, fs._strip_protocol(_glob_root(_plain_name(source))))
    else:
        raise SourceMissingError(f"source {shown_uri(source)!r} does not exist")


def _remote() -> Any:
    from windrow.tasks.storage.sources import remote_listing  # fsspec costs 0.1 s, which only remote sources are worth

    return remote_listing
