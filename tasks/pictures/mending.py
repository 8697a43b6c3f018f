"""Pictures that plain readers fail over, though their pixels are whole: what they fail over is passed over.

Pillow refuses a PNG with a damaged ancillary chunk, and readers that turn a picture by its EXIF (Hugging Face's
`datasets`) fail where that is broken. Nothing is cut out: what is to be passed over gets a name that no reader knows,
so a mended file is as long as it was. What is looked at here is what is exported.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping

from windrow.schemas.texts.mends import DAMAGED_CHUNKS, METADATA
from windrow.tasks.pictures.jpeg_scans import segments
from windrow.tasks.pictures.png_chunks import SIGNATURE, pixels_only, without_damage

_EXIF_FLAG = 0x08


def mended(data: bytes, how: str | None) -> bytes:
    """Return the bytes that go out for a sample by `mended` of SAMPLES: the original where that is null."""
    return data if how is None else _MENDS[how](data)


def without_metadata(data: bytes) -> bytes:
    """Return a PNG, JPEG or WebP whose EXIF (of a PNG: all metadata) is passed over, anything else as it is.

    Raises DamagedChunkError where a PNG ends before its end mark.
    """
    if data.startswith(SIGNATURE):
        return pixels_only(data)
    changed = bytearray(data)
    if data.startswith(b"\xff\xd8\xff"):
        for marker, parameters, end in segments(data):
            if marker == 0xE1 and parameters.startswith(b"Exif\0\0"):
                start = end - len(parameters)
                changed[start : start + 4] = b"brKn"
    elif data[8:12] == b"WEBP":
        for name, start in _webp_chunks(data):
            if name == b"EXIF":
                changed[start : start + 4] = b"brKn"
            elif name == b"VP8X" and start + 8 < len(data):
                changed[start + 8] &= ~_EXIF_FLAG
    return bytes(changed)


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    start = 12
    while start + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, start)
        yield name, start
        start += 8 + size + size % 2


_MENDS: Mapping[str, Callable[[bytes], bytes]] = {DAMAGED_CHUNKS: without_damage, METADATA: without_metadata}
