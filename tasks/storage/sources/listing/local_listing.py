"""Files of local folders, found with os for speed."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from windrow.tasks.storage.sources.source_shard import SourceFile, access_error
from windrow.tasks.storage.store.store_folders import is_store, store_above

OUTSIDE = "a link that leads outside the source: ingest.follow_links is off"
STORE = "a store of Windrow is no source: left out"


@dataclass(frozen=True)
class Bounds:
    """What a source may reach: what lies below `root`, or by `follow_links` whatever its links lead to; no store."""

    root: Path
    follow_links: bool = False

    @cached_property
    def _real_root(self) -> str:
        return os.path.realpath(self.root)

    def left_out(self, path: Path, is_link: bool) -> str | None:
        """Return why a file or folder below the root is left out, None when it is not."""
        real = os.path.realpath(path) if is_link else str(path)
        if is_link and not self.follow_links and not _is_below(real, self._real_root):
            return OUTSIDE
        if is_link:
            return STORE if store_above(Path(real)) else None
        return STORE if is_store(path) else None


def glob_files(pattern: str, bounds: Bounds) -> Iterator[SourceFile]:
    """Yield the files that match a pattern, or lie below a folder that does, named relative to the root of `bounds`."""
    names = Path(pattern).relative_to(bounds.root).parts
    if "**" in names:  # glob's own walk goes round and round where links lead back
        for file in list_folder(bounds.root, bounds):
            parts = file.path.split("/")
            is_fit = any(_fits(parts[:n], names) for n in range(1, len(parts) + 1))
            if is_fit or (file.error in (OUTSIDE, STORE) and (bounds.root / file.path).is_dir()):
                yield file
        return
    files: dict[str, SourceFile] = {}  # a folder and a file in it may both match
    for match in glob.iglob(pattern):  # noqa: PTH207  (Path.glob wants the root apart)
        path = Path(match)
        name = path.relative_to(bounds.root).as_posix()
        if refused := _refused_above(path, bounds):
            files.setdefault(refused.path, refused)
        elif path.is_dir():
            prefix = "" if name == "." else f"{name}/"
            files.update((file.path, file) for file in list_folder(path, bounds, prefix=prefix))
        else:
            files[name] = describe_file(path, name)
    yield from files.values()


def list_folder(
    folder: Path, bounds: Bounds, recursive: bool = True, prefix: str = "", above: tuple[tuple[int, int], ...] = ()
) -> Iterator[SourceFile]:
    """Yield the files below a folder, in any order, their names after `prefix`.

    `above` holds device and inode of the folders that it is in, to end loops of links. A folder that may not be listed
    is a file with an error, and so is what `bounds` leave out.
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
        is_folder, name = _is_folder(entry), prefix + entry.name
        reason = _left_out(entry, is_folder, bounds)
        if reason:
            yield SourceFile(_text(name), reason, reason)
        elif not is_folder:
            yield describe_file(entry.path, name)
        elif recursive:
            yield from list_folder(Path(entry.path), bounds, True, f"{name}/", (*above, here))


def describe_file(path: str | Path, name: str) -> SourceFile:
    """Return a file under the name `name`, with the reason when it cannot be read."""
    shown = _text(name)
    try:
        status = os.stat(path)  # noqa: PTH116  (a million of them)
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
        return SourceFile(shown, identity_of(status), n_bytes=status.st_size)
    return SourceFile(shown, error, error)


def identity_of(status: os.stat_result) -> str:
    """Return what changes when a file is replaced, be it by one of the same size whose time of change was set back.

    A file that was copied, or whose disk gives other inodes when it is mounted again, has another identity too: it is
    read again, with the same result.
    """
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def _left_out(entry: os.DirEntry[str], is_folder: bool, bounds: Bounds) -> str | None:
    is_link = entry.is_symlink()
    if not is_link and not is_folder:
        return None
    if is_link and not is_folder and not os.path.exists(entry.path):  # noqa: PTH110  (`describe_file` says why)
        return None
    return bounds.left_out(Path(entry.path), is_link)


def _refused_above(path: Path, bounds: Bounds) -> SourceFile | None:
    """Return what a match of a pattern lies in, or is, and must not be reached through; None where it may be."""
    names = path.relative_to(bounds.root).parts
    for n in range(1, len(names) + 1):
        place = bounds.root.joinpath(*names[:n])
        if (place.is_symlink() and place.exists()) or place.is_dir():
            reason = bounds.left_out(place, place.is_symlink())
            if reason:
                return SourceFile(_text("/".join(names[:n])), reason, reason)
    return None


def _fits(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the names of folders and a file fit those of a pattern, of which `**` is any number."""
    if not pattern:
        return not names
    if pattern[0] == "**":
        return any(_fits(names[n:], pattern[1:]) for n in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], pattern[0]) and _fits(names[1:], pattern[1:])


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that cannot be followed: `describe_file` says why
        return False


def _text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
