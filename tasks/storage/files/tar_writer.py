"""Tars written the same way every time: no time, user or right of a file is kept."""

from __future__ import annotations

import tarfile
from types import TracebackType
from typing import Protocol, Self

_SHORT = 100  # a longer name, or one that is not ASCII, needs a header of its own


class Writable(Protocol):
    """A file that bytes are appended to."""

    def write(self, data: bytes, /) -> object: ...


class TarWriter:
    """Appends members to a file that the caller opened and closes; the same members give the same bytes.

    `tarfile` writes a member in pieces of 16 KB, each through five calls of Python; here each is written at once.
    """

    def __init__(self, file: Writable) -> None:
        self._file = file
        self._end = 0

    def add(self, name: str, data: bytes) -> int:
        """Append a member; return where its first byte lies."""
        member = tarfile.TarInfo(name)  # mtime, uid and gid are 0
        member.size, member.mode = len(data), 0o444
        plain = len(name) <= _SHORT and name.isascii()
        header = member.tobuf(tarfile.USTAR_FORMAT if plain else tarfile.PAX_FORMAT)
        self._write(header)
        offset = self._end
        self._write(data)
        self._write(bytes(-len(data) % tarfile.BLOCKSIZE))
        return offset

    def _write(self, data: bytes) -> None:
        if data:
            self._file.write(data)
            self._end += len(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write(bytes(2 * tarfile.BLOCKSIZE))
            self._write(bytes(-self._end % tarfile.RECORDSIZE))
