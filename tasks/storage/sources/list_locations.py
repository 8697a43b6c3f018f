"""What the rows of a list point to: files, objects or URLs, and which of them a list may name.

Lists are often made by others. A list may name what lies below its own folder; other local files only with
`allow_outside`, and object stores, which are read with your credentials, only when `protocols` names them.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from windrow.tasks.fetching.credentials import real
from windrow.tasks.fetching.fetch_config import WEB, FetchConfig
from windrow.tasks.fetching.locations import MAX_LENGTH, scheme_of
from windrow.tasks.storage.sources.folder_source import read_whole
from windrow.tasks.storage.sources.listing.local_listing import describe_file
from windrow.tasks.storage.sources.listing.source_place import locate, source_root
from windrow.tasks.storage.sources.source_fields import split_name
from windrow.tasks.storage.sources.source_shard import IngestConfig, Reach, too_large
from windrow.tasks.texts.uris import HIDDEN, shown_uri

PREFIX = "list:"
URL_COLUMNS = ("url", "path", "uri", "image_url", "file_name")
CHAINED = "chained URLs are not read"  # fsspec would open a file inside whatever comes after the colons
NOT_A_PLACE = "not a URL or path"
OUTSIDE = "outside the list's folder: ingest.fetch.allow_outside is off"


@dataclass(frozen=True)
class Listed:
    """Where a sample is: the path of a file, or a URL; `kind` says which."""

    kind: str
    location: str


def locate_list(source: str, shard: str, reach: Reach | None = None) -> str:
    """Return the path or URL of the list that a shard is of."""
    uri, path = real(source).removeprefix(PREFIX), shard.rpartition("#")[0]
    return locate(uri, path, source_root(uri, path, reach))


def locate_again(folder: str, key: str) -> str | None:
    """Return where an occurrence of a list lies; None of one from the web, or whose URI was not written whole.

    `folder` is that of the list.
    """
    if scheme_of(key) in WEB or (scheme_of(key) and HIDDEN in key):
        return None
    listed = resolve(key, folder, FetchConfig(allow_outside=True, protocols=(scheme_of(key) or "file",)))
    return listed.location if isinstance(listed, Listed) and listed.kind != "web" else None


def url_column(columns: Sequence[str], name: str, wanted: str | None) -> str:
    """Return the column that says where samples are. Raises ValueError when there is none."""
    names = [wanted] if wanted is not None else URL_COLUMNS
    for name_of_column in names:
        for column in columns:
            if column == wanted or (wanted is None and column.lower() == name_of_column):
                return column
    looked_for = f"ingest.url_column {wanted!r}" if wanted is not None else f"a column {', '.join(URL_COLUMNS)}"
    raise ValueError(f"{name}: {looked_for} was not found; the list has {', '.join(columns) or 'no columns'}")


def resolve(text: object, folder: str, config: FetchConfig) -> Listed | str:
    """Return what a row points to, or the reason why it is not read. `folder` is that of the list, a path or a URL."""
    if text is None or text == "":
        return "no URL"
    if not isinstance(text, str) or len(text) > MAX_LENGTH or "\0" in text or _valid(text) != text:
        return NOT_A_PLACE
    scheme = scheme_of(text)
    if scheme in WEB:
        return Listed("web", text)
    if scheme == "file":
        return _resolve_file(text[len("file://") :], folder, config)
    if scheme is not None:
        return _resolve_object(text, scheme, folder, config)
    if "://" in text:  # fsspec would take what comes before for a protocol
        return NOT_A_PLACE
    if scheme_of(folder) is None or text.startswith("/"):
        return _resolve_file(text, folder, config)
    if "::" in text:
        return CHAINED
    if posixpath.normpath(text).startswith(".."):
        return OUTSIDE
    location = f"{folder}/{text}"
    return Listed("web" if scheme_of(folder) in WEB else "object", location)


def read_listed(listed: Listed, config: IngestConfig) -> bytes | str:
    """Read a file or an object; returns its bytes or the reason. Raises OSError when the disk or the network fails."""
    if listed.kind == "file":
        error = _file_error(Path(listed.location))
        if error:
            return error
    data = read_whole(listed.location, config.max_bytes)
    return too_large(data, config) or "" if isinstance(data, int) else data


def shown(text: str) -> str:
    """Return a path or URL for the tables: logins and signatures are no part of it."""
    return _valid(shown_uri(text))


def extension_of(text: str) -> str | None:
    """Return the extension of a path or of a URL's path, when it looks like one."""
    try:
        path = urlsplit(text).path if scheme_of(text) in WEB else text
    except ValueError:
        return None
    extension = split_name(path)[1]
    return extension if extension and extension.isalnum() and extension.isascii() and len(extension) <= 10 else None


def _file_error(path: Path) -> str | None:
    """Return why a file is not read: pipes and devices would never end."""
    try:
        return describe_file(path, path.name).error if path.exists() else "file is gone"
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return NOT_A_PLACE
        raise


def _valid(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _resolve_file(text: str, folder: str, config: FetchConfig) -> Listed | str:
    is_local = scheme_of(folder) is None
    path = os.path.join(folder, text) if is_local else text  # noqa: PTH118  (a Path would normalise what is shown)
    try:
        is_below = is_local and Path(path).resolve().is_relative_to(Path(folder).resolve())
    except (OSError, RuntimeError):  # a loop of links
        return "file is gone"
    return Listed("file", path) if is_below or config.allow_outside else OUTSIDE


def _resolve_object(text: str, scheme: str, folder: str, config: FetchConfig) -> Listed | str:
    is_below = text.startswith(f"{folder}/") and ".." not in text.split("/")
    if "::" in text:
        return CHAINED
    allowed = is_below or scheme in config.protocols
    return Listed("object", text) if allowed else f"protocol {scheme[:20]} is not in ingest.fetch.protocols"
