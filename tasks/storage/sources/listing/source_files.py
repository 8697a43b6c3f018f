"""The files of a source: found and opened, on local disks (os) and anywhere else (fsspec).

They are named by their path relative to the source's root. Names that start with a dot, and all below such a folder,
are hidden and left out. Links are followed where they lead to something in the source, but not back to a folder above;
those that lead outside are files with an error, unless the config says otherwise.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from windrow.tasks.fetching.credentials import real
from windrow.tasks.storage.files.remote_file import RemoteFile, telling_no_secrets
from windrow.tasks.storage.sources.listing.local_listing import Bounds, describe_file, glob_files, list_folder
from windrow.tasks.storage.sources.listing.source_place import (
    WEB,
    SourcePlace,
    file_name,
    is_hidden,
    is_remote,
    is_whole,
    local_path,
    parent,
    plain_name,
    remote,
)
from windrow.tasks.storage.sources.source_shard import SourceFile, SourceMissingError, access_error
from windrow.tasks.texts.uris import shown_uri

LOCAL_BUFFER = 2**18
"""Bytes of a local file that are read at once where it is read from end to end."""
FEW_SAMPLES = 2**13
"""The same, where samples are read out of it here and there: more is read for nothing."""


def find_files(source: str, follow_links: bool = False) -> tuple[SourcePlace, list[SourceFile]]:
    """Return where a source is, and its files, sorted by path. Raises ValueError when it does not exist."""
    place, found = _find_remote(source) if is_remote(real(source)) else _find_local(source, follow_links)
    return place, sorted((file for file in found if not is_hidden(file.path)), key=lambda file: file.path)


def find_siblings(
    place: SourcePlace, path: str, follow_links: bool, wanted: Callable[[str], bool]
) -> Iterator[SourceFile]:
    """Yield the files with wanted names that lie in the same folder as a file of the source.

    None are known beside a URL with a query, which is of one file, and in a remote folder that may not be listed.
    """
    if is_whole(real(place.source), path):
        return
    folder = parent(place.locate(path))
    prefix = path[: path.rfind("/") + 1]

    def is_wanted(name: str) -> bool:
        return not is_hidden(name) and wanted(prefix + name)

    if is_remote(folder):
        with telling_no_secrets(folder):
            files = remote().list_where_allowed(folder, is_wanted)
    else:
        found = list_folder(Path(folder), Bounds(Path(place.root), follow_links), recursive=False)
        files = (file for file in found if is_wanted(file.path))
    yield from (replace(file, path=prefix + file.path) for file in files)


def find_named(place: SourcePlace, beside: str, paths: Iterable[str], follow_links: bool) -> Iterator[SourceFile]:
    """Yield those of some files that are there, beside a file of the source; its folder is not listed."""
    for path in () if is_whole(real(place.source), beside) else paths:
        location = place.locate(path)
        if is_remote(location):
            with telling_no_secrets(location):
                info = remote().info_of(*remote().file_system(location))
            if info is not None and info["type"] != "directory":
                yield remote().describe_object(path, info)
        elif Path(location).exists():
            reason = Bounds(Path(place.root), follow_links).left_out(Path(location), Path(location).is_symlink())
            yield SourceFile(path, reason, reason) if reason else describe_file(Path(location), path)


def open_file(location: str, buffering: int = LOCAL_BUFFER) -> BinaryIO:
    """Open a file that `locate` returned. A failure to read it is an OSError with a number, of whatever disk."""
    if is_remote(location):
        fs, place = remote().file_system(location)
        fs.invalidate_cache()  # a worker that lives for days would open yesterday's size of the file
        with telling_no_secrets(location):
            return cast(BinaryIO, RemoteFile(fs.open(place, "rb"), location))
    return Path(location).open("rb", buffering=buffering)


def open_or_reason(location: str, buffering: int = LOCAL_BUFFER) -> BinaryIO | str:
    """Open a file that `locate` returned, or say why it cannot be; OSError when the disk or the network fails."""
    try:
        return open_file(location, buffering)
    except OSError as error:
        reason = access_error(error)
        if reason is None:
            raise
        return reason


def _find_local(source: str, follow_links: bool) -> tuple[SourcePlace, Iterable[SourceFile]]:
    path = local_path(real(source))
    if path.is_dir():
        return SourcePlace(source, "folder"), list_folder(path, Bounds(path, follow_links))
    if path.exists():
        return SourcePlace(source, "file"), [describe_file(path, path.name)]
    if glob.has_magic(str(path)):
        place = SourcePlace(source, "glob")
        return place, glob_files(str(path), Bounds(Path(place.root), follow_links))
    raise SourceMissingError(f"source {source!r} does not exist")


def _find_remote(source: str) -> tuple[SourcePlace, list[SourceFile]]:
    with telling_no_secrets(real(source)):
        place, files = _list_remote(source, real(source))
        return place, list(files)


def _list_remote(source: str, uri: str) -> tuple[SourcePlace, Iterable[SourceFile]]:
    fs, location = remote().file_system(uri)
    fs.invalidate_cache()  # it keeps listings for the life of the process
    info = remote().info_of(fs, location)
    if info is None:
        if not glob.has_magic(plain_name(uri)):
            raise SourceMissingError(f"source {shown_uri(uri)!r} does not exist")
        place = SourcePlace(source, "glob")
        return place, remote().glob_objects(fs, location, fs._strip_protocol(place.root))
    if info["type"] == "directory":
        return SourcePlace(source, "folder"), remote().list_objects(uri)
    if uri.startswith(WEB) and not file_name(uri):
        raise ValueError(
            f"source {shown_uri(uri)!r} is a folder of a web server: name its files by a glob (/*.tar), or in a list"
        )
    path = file_name(uri) if uri.startswith(WEB) and "?" in uri else plain_name(uri).rpartition("/")[2]
    return SourcePlace(source, "file"), [remote().describe_object(path, info)]
