"""The chunks of a PNG: those that hold the picture must be whole, the others are left out where they are not.

A chunk is length, name, data and the CRC-32 of name and data (PNG, third edition, 5.3). A name that begins with a small
letter is ancillary: the picture can be shown without it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_OF_PIXELS = (b"tRNS", b"acTL", b"fcTL", b"fdAT")


class DamagedChunkError(Exception):
    """A chunk that the picture needs is cut off or damaged; the message is the reason to report."""


@dataclass(frozen=True)
class Chunk:
    """A chunk: its name and where it lies, from its length to behind its CRC."""

    name: bytes
    start: int
    end: int

    @property
    def is_ancillary(self) -> bool:
        return bool(self.name[0] & 0x20)


def without_damage(data: bytes) -> bytes:
    """Return a PNG without those ancillary chunks whose CRC is wrong: `data` itself, where there are none.

    Raises DamagedChunkError when a critical chunk is damaged, or the file ends before its end mark.
    """
    view = memoryview(data)
    chunks = list(_chunks(data))
    bad = [chunk for chunk in chunks if not _is_whole(view, chunk)]
    if any(not chunk.is_ancillary for chunk in bad):
        raise DamagedChunkError("damaged image")
    return _only(data, [chunk for chunk in chunks if chunk not in bad]) if bad else data


def pixels_only(data: bytes) -> bytes:
    """Return a PNG with the chunks only that say what its pixels are."""
    return _only(data, [chunk for chunk in _chunks(data) if not chunk.is_ancillary or chunk.name in _OF_PIXELS])


def chunk_data(data: bytes, name: bytes) -> bytes | None:
    """Return the data of the first chunk of a name that comes before the pixels; None where there is none."""
    for chunk in _chunks(data):
        if chunk.name == b"IDAT":
            break
        if chunk.name == name:
            return data[chunk.start + 8 : chunk.end - 4]
    return None


def _chunks(data: bytes) -> Iterator[Chunk]:
    start = len(SIGNATURE)
    while start + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, start)
        if not name.isalpha():
            raise DamagedChunkError("damaged image")
        chunk = Chunk(name, start, start + 12 + length)
        if chunk.end > len(data):
            break
        yield chunk
        if name == b"IEND":
            return
        start = chunk.end
    raise DamagedChunkError("truncated image")


def _is_whole(view: memoryview, chunk: Chunk) -> bool:
    (said,) = struct.unpack_from(">I", view, chunk.end - 4)
    return zlib.crc32(view[chunk.start + 4 : chunk.end - 4]) == int(said)


def _only(data: bytes, chunks: list[Chunk]) -> bytes:
    return b"".join((SIGNATURE, *(data[chunk.start : chunk.end] for chunk in chunks)))
