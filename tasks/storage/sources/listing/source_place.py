"""Where a source is: a folder, a file or a glob, local or remote, and what its files' paths are relative to.

That is its root: the folder, the file's folder, or the part of the glob before the first wildcard. The name of a source
does not say which of the three it is ('a/b', 'a[1].tar'), and to ask is a request: so who finds the files of a source
says it, once, and hands it on.
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from windrow.tasks.fetching.credentials import real
from windrow.tasks.storage.sources.source_shard import Reach

LOCAL = ("file://", "local://")
WEB = ("http://", "https://")


@dataclass(frozen=True)
class SourcePlace:
    """A source as it was found. Of a kind with a prefix of its own only the source is known."""

    source: str
    reach: Reach | None = None

    @cached_property
    def root(self) -> str:
        """What the paths of its files are relative to."""
        if self.reach is None:
            raise ValueError(f"source {self.source!r}: where it lies is not known")
        return root_of(real(self.source), self.reach)

    def locate(self, path: str) -> str:
        """Return the path or URL of a file of the source."""
        return locate(self.source, path, self.root)


def root_of(uri: str, reach: Reach) -> str:
    """Return what the paths of the files of a source are relative to; it need not exist (any more)."""
    name = plain_name(uri)
    if reach == "file":
        return _folder_of_url(uri) if uri.startswith(WEB) and "?" in uri else parent(name)
    return glob_root(name) if reach == "glob" else name


def source_root(source: str, path: str, reach: Reach | None = None) -> str:
    """Return the place that `path`, of a file of the source, is relative to; neither need exist (any more).

    Without `reach`, for most sources their name alone says it. What is there is only looked at for a source that may be
    a glob or that file itself: to ask an object store whether a name is a folder can mean to list it.
    """
    uri = real(source)
    return root_of(uri, reach or _reach(uri, path))


def locate(source: str, path: str, root: str | None = None) -> str:
    """Return the path or URL of a file of the source; `root` saves looking its root up again."""
    uri = real(source)
    if is_whole(uri, path):
        return uri  # with its query, without which the file may not be had
    root = root or source_root(source, path)
    return f"{root}{path}" if root.endswith("/") else f"{root}/{path}"


def is_whole(uri: str, path: str) -> bool:
    """Say whether a source is a URL of the web, with a query, of this one file."""
    return "?" in uri and uri.startswith(WEB) and file_name(uri) == path


def local_place(source: str) -> Path | None:
    """Return the path of a local source, up to the first wildcard of a glob; None of any other."""
    if is_remote(source):
        return None
    name = plain_name(source)
    return Path(glob_root(name) if glob.has_magic(name) and not _exists(source) else name)


def is_remote(uri: str) -> bool:
    """Say whether fsspec is to open it."""
    return "://" in uri and not uri.startswith(LOCAL)


def is_hidden(path: str) -> bool:
    """Say whether a part of a relative path starts with a dot ('.' and '..' aside)."""
    return any(part.startswith(".") and part not in (".", "..") for part in path.split("/"))


def plain_name(uri: str) -> str:
    """Return the path or URL without a slash at its end."""
    name = uri if is_remote(uri) else os.fspath(local_path(uri))
    return name if name.endswith("://") else name.rstrip("/") or "/"


def local_path(uri: str) -> Path:
    """Return the path of a local source."""
    return Path(uri.removeprefix("file://").removeprefix("local://")).expanduser()


def parent(name: str) -> str:
    """Return the folder of a path or URL."""
    folder = name.rpartition("/")[0]
    if folder.endswith(":/"):  # as of memory://a.png
        return f"{folder}/"
    return folder or ("/" if name.startswith("/") else ".")


def glob_root(pattern: str) -> str:
    """Return the part of a pattern before its first wildcard, up to a slash."""
    parts = pattern.split("/")
    return parent("/".join(parts[: next(n for n, part in enumerate(parts) if glob.has_magic(part)) + 1]))


def file_name(url: str) -> str:
    """Return the last part of the path of a URL."""
    return urlsplit(url).path.rpartition("/")[2]


def remote() -> Any:
    """Return the module of what fsspec lists: it costs 0.1 s, which only remote sources are worth."""
    from windrow.tasks.storage.sources.listing import remote_listing

    return remote_listing


def _reach(uri: str, path: str) -> Reach:
    name = plain_name(uri)
    if is_whole(uri, path):
        return "file"
    if glob.has_magic(name) and not _exists(uri):
        return "glob"
    return "file" if name.rpartition("/")[2] == path and not _is_folder(uri) else "folder"


def _folder_of_url(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query="", fragment="")).rpartition("/")[0]


def _exists(uri: str) -> bool:
    if not is_remote(uri):
        return local_path(uri).exists()
    return remote().info_of(*remote().file_system(uri)) is not None


def _is_folder(uri: str) -> bool:
    if not is_remote(uri):
        return local_path(uri).is_dir()
    info = remote().info_of(*remote().file_system(uri))
    return info is not None and info["type"] == "directory"
