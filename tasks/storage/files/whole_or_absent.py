"""Files and directories that are whole or absent: written under another name, renamed when whole, and durable."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def temporary_directory(parent: Path) -> Iterator[Path]:
    """Yield a new directory in `parent`, named `.tmp-…`; it is removed at the end unless it was renamed.

    What processes that were killed have left in `parent` goes first: a live process holds a lock on its directory.
    """
    sweep(parent)
    path, lock = _locked_directory(parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():  # a disk that failed for a moment: nothing else may ever be written here, and sweep
            shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _locked_directory(parent: Path) -> tuple[Path, int]:
    """Make a directory and lock it. One that another process has swept before it was locked is made again."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=".tmp-", dir=parent))
        try:
            lock = _lock(path, fcntl.LOCK_EX)
        except FileNotFoundError:
            continue
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        if path.exists():
            return path, lock
        os.close(lock)


def _lock(path: Path, operation: int) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, operation)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def sweep(parent: Path) -> None:
    """Remove the temporary directories in `parent` that no live process holds."""
    for path in parent.glob(".tmp-*"):
        with suppress(OSError):  # another process holds it, or sweeps too
            if path.is_dir():
                lock = _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def is_left(path: Path) -> bool:
    """Whether a temporary directory is there, and no live process holds it."""
    try:
        os.close(_lock(path, fcntl.LOCK_SH | fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def publish_directory(path: Path, final: Path) -> bool:
    """Make a complete directory visible under its final name, durably; False when another process was first."""
    path.chmod(0o755)  # mkdtemp makes it private, but a store is read by others
    for file in path.rglob("*"):
        if file.is_file():
            file.chmod(0o444)  # what is published never changes
        flush_to_disk(file)
    flush_to_disk(path)
    try:
        path.rename(final)
    except OSError:
        if final.is_dir():
            return False
        raise
    flush_to_disk(final.parent)
    return True


def flush_to_disk(path: Path) -> None:
    """Wait until a file or directory is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file by `text` so that a reader sees the old content or the new, never a part."""
    descriptor, name = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that gets its name when it is whole and on disk, and is removed when it does not come to that."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".tmp-", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
