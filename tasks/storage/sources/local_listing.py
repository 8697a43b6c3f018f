"""Files of local folders, found with os for speed."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from windrow.tasks.storage.sources.source_shard import SourceFile, access_error


def glob_files(pattern: str, root: Path) -> Iterator[SourceFile]:
    """Yield the files that match a pattern, or lie below a folder that does, named relative to `root`."""
    files: dict[str, SourceFile] = {}  # a folder and a file in it may both match
    for match in glob.iglob(pattern, recursive=True):  # noqa: PTH207  (Path.glob wants the root apart)
        path = Path(match)
        name = path.relative_to(root).as_posix()
        if path.is_dir():
            prefix = "" if name == "." else f"{name}/"
            files.update((file.path, file) for file in list_folder(path, prefix=prefix))
        else:
            files[name] = describe_file(path, name)
    yield from files.values()


def list_folder(
    folder: Path, recursive: bool = True, prefix: str = "", above: tuple[tuple[int, int], ...] = ()
) -> Iterator[SourceFile]:
    """Yield the files below a folder, in any order, their names after `prefix`.

    `above` holds device and inode of the folders that it is in, to end loops of links. A folder that may not be listed
    is a file with an error.
    """
    try:
        status = folder.stat()
        entries = list(os.scandir(folder))
    except PermissionError:
        yield SourceFile(_text(prefix).rstrip("/") or folder.name, "permission denied", "permission denied")
        return
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if not _is_folder(entry):
            yield describe_file(Path(entry.path), prefix + entry.name)
        elif recursive:
            yield from list_folder(Path(entry.path), True, f"{prefix}{entry.name}/", (*above, here))


def describe_file(path: Path, name: str) -> SourceFile:
    """Return a file under the name `name`, with the reason when it cannot be read."""
    shown = _text(name)
    try:
        status = path.stat()
    except OSError as failure:
        if access_error(failure) is None and failure.errno != errno.ELOOP:
            raise
        reason = "permission denied" if isinstance(failure, PermissionError) else "broken link"
        return SourceFile(shown, reason, reason)
    if shown != name:
        error = "name is not UTF-8"
    elif not stat.S_ISREG(status.st_mode):
        error = "not a regular file"  # opening a pipe would wait for ever
    elif not os.access(path, os.R_OK):
        error = "permission denied"
    else:
        return SourceFile(shown, f"{status.st_size}-{status.st_mtime_ns}", n_bytes=status.st_size)
    return SourceFile(shown, error, error)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that cannot be followed: `describe_file` says why
        return False


def _text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
