"""The chunks of a PNG: those that hold the picture must be whole, the others are passed over where they are not.

A chunk is length, name, data and the CRC-32 of name and data (PNG, third edition, 5.3). A name that begins with a small
letter is ancillary: the picture can be shown without it. What is to be passed over gets a name that no reader knows and
the right CRC, so that the file keeps its length and every other byte.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PASSED_OVER = b"brKn"
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
_OF_PIXELS = (b"tRNS", *_ANIMATION)


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
    """Return a PNG in which those ancillary chunks whose CRC is wrong are passed over: `data` itself without such.

    An animation with a damaged frame becomes a still picture. Raises DamagedChunkError when a critical chunk is
    damaged, or the file ends before its end mark.
    """
    view = memoryview(data)
    chunks = list(_chunks(data))
    bad = [chunk for chunk in chunks if not _is_whole(view, chunk)]
    if any(not chunk.is_ancillary for chunk in bad):
        raise DamagedChunkError("damaged image")
    return _passing_over(data, chunks, bad)


def pixels_only(data: bytes) -> bytes:
    """Return a PNG in which the chunks are passed over that do not say what its pixels are, or are damaged.

    Raises DamagedChunkError when the file ends before its end mark.
    """
    view = memoryview(data)
    chunks = list(_chunks(data))
    others = [one for one in chunks if one.is_ancillary and (one.name not in _OF_PIXELS or not _is_whole(view, one))]
    return _passing_over(data, chunks, others)


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


def _passing_over(data: bytes, chunks: list[Chunk], bad: list[Chunk]) -> bytes:
    if not bad:
        return data
    if any(chunk.name in _ANIMATION for chunk in bad):
        bad = [*bad, *(chunk for chunk in chunks if chunk.name in _ANIMATION)]
    changed = bytearray(data)
    for chunk in bad:
        changed[chunk.start + 4 : chunk.start + 8] = PASSED_OVER
        crc = zlib.crc32(memoryview(changed)[chunk.start + 4 : chunk.end - 4])
        changed[chunk.end - 4 : chunk.end] = struct.pack(">I", crc)
    return bytes(changed)
