"""Tars written the same way every time: no time, user or right of a file is kept."""

from __future__ import annotations

import tarfile
from types import TracebackType
from typing import Protocol, Self

_SHORT = 100  # a longer name, or one that is not ASCII, needs a header of its own
_SIZE, _CHECKSUM = slice(124, 135), slice(148, 156)
_SMALL = 2**16  # bytes: of so few a copy costs less than two more calls
_MOST_OCTAL = 8**11  # sizes from here on are not in octal digits


class Writable(Protocol):
    """A file that bytes are appended to."""

    def write(self, data: bytes, /) -> object: ...


class TarWriter:
    """Appends members to a file that the caller opened and closes; the same members give the same bytes.

    `tarfile` writes a member in pieces of 16 KB, each through five calls of Python; here each is written at once. Most
    headers differ in name, size and checksum alone: to set these takes a tenth of the time that `tarfile` does.
    """

    def __init__(self, file: Writable) -> None:
        self._file = file
        self._end = 0

    def add(self, name: str, data: bytes) -> int:
        """Append a member; return where its first byte lies."""
        plain = 0 < len(name) <= _SHORT and name.isascii() and len(data) < _MOST_OCTAL
        header = _plain_header(name.encode(), len(data)) if plain else _pax_header(name, len(data))
        offset, rest = self._end + len(header), bytes(-len(data) % tarfile.BLOCKSIZE)
        for piece in [header + data + rest] if len(data) <= _SMALL else [header, data, rest]:
            self._write(piece)
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


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)  # mtime, uid and gid are 0
    member.size, member.mode = size, 0o444
    return member


def _pax_header(name: str, size: int) -> bytes:
    return _member(name, size).tobuf(tarfile.PAX_FORMAT)


_BLANK = _member("", 0).tobuf(tarfile.USTAR_FORMAT)
_BLANK_SUM = sum(_BLANK) - sum(_BLANK[_CHECKSUM]) - sum(_BLANK[_SIZE]) + 8 * ord(" ")


def _plain_header(name: bytes, size: int) -> bytes:
    """The USTAR header of a member, as `tarfile` writes it."""
    header, digits = bytearray(_BLANK), b"%011o" % size
    header[: len(name)], header[_SIZE] = name, digits
    header[_CHECKSUM] = b"%06o\0 " % (_BLANK_SUM + sum(name) + sum(digits))
    return bytes(header)
