"""What a file's own structure says of whether all of it is there, where decoders do not look.

No decoder of these formats notices a hole of zeros, as a broken copy or a disk leaves it: zeros are codes, too. But no
encoder writes a long run of them, except where its codes for 'as before' are zeros and the picture is flat there.
Formats with checksums (PNG, deflated TIFF) and those whose decoders notice (GIF, TIFF with LZW) need no more. Where
zeros are a colour (BMP, PPM, raw TIFF, lossless WebP) only the picture can tell: `is_torn`, `has_zero_hole`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from windrow.tasks.pictures.jpeg_scans import has_hole
from windrow.tasks.pictures.sample_levels import bands

HOLE = 64
"""Bytes of zeros: an entropy coder writes as many once in 2^512 times."""
TORN_PIXELS = 4
PIXELS_A_ZERO = 64
"""In WebP a flat region was seen to take a zero for 150 pixels or more; other regions take many bytes for so many."""
EMPTY_PACKETS = 2048
"""In JPEG 2000 a packet that holds nothing is a zero, and flat regions are many of them."""


def why_not_whole(format: str, data: bytes, n_pixels: int) -> str | None:
    """Return 'damaged image' or 'truncated image' for a file with a hole or without its end, else None."""
    if format == "QOI" and not data.endswith(b"\0" * 7 + b"\x01"):
        return "truncated image"
    if not has_zeros(data):
        return None
    if format == "JPEG":
        return "damaged image" if has_hole(data, HOLE) else None
    size = HOLE
    if format == "JPEG2000":
        size = EMPTY_PACKETS
    elif format in ("WEBP", "AVIF", "HEIF"):
        size = max(HOLE, n_pixels // PIXELS_A_ZERO)
    return "damaged image" if any(data.find(bytes(size), *part) >= 0 for part in _coded(format, data)) else None


def has_zeros(data: bytes) -> bool:
    """Say whether there are HOLE zeros in a row."""
    return bytes(HOLE) in data


def is_torn(image: Image.Image, bottom_up: bool = False) -> bool:
    """Say whether a loaded picture ends, in the order of its file, in one colour that begins inside a row.

    So ends a file whose rest was never written. Not told from it: a picture that was made so. It is said only where
    that colour fills at least an eighth of the rows, begins TORN_PIXELS or more before the end of its row, and has no
    pixel in the row before from there on: black pictures and black borders have.
    """
    width, height = image.size
    for n in range(height):
        row = n if bottom_up else height - 1 - n
        pixels = np.asarray(image.crop((0, row, width, row + 1))).reshape(width, -1)
        if n == 0:
            last = pixels[-1]
        others = np.flatnonzero((pixels != last).any(axis=1))
        if len(others):
            break
    else:
        return False
    before = row + 1 if bottom_up else row - 1
    if n < max(1, height // 8) or others[-1] >= width - TORN_PIXELS or not 0 <= before < height:
        return False
    pixels = np.asarray(image.crop((int(others[-1]) + 1, before, width, before + 1)))
    return bool((pixels.reshape(-1, len(last)) != last).any(axis=1).all())


def has_zero_hole(image: Image.Image, bottom_up: bool = False) -> bool:
    """Say whether a loaded picture has pixels of zeros that begin inside a row of its file and end inside another.

    So lie blocks of a disk that were never written in the middle of a file. Not told from it: a picture that was made
    so. It is said only of an eighth of the rows or more, and where no pixel above the ragged beginning is zero, nor one
    below the ragged end: what is black in a picture has an edge, or a shape that goes on.
    """
    height = image.height
    filled = [np.asarray(image.crop(box)).reshape(box[3] - box[1], -1).any(axis=1) for box in bands(image)]
    others = np.flatnonzero(np.concatenate(filled)[:: -1 if bottom_up else 1])
    if not len(others):
        return False
    longest = int(np.argmax(np.diff(others))) if len(others) > 1 else 0
    if len(others) < 2 or others[longest + 1] - others[longest] <= max(1, height // 8):
        return False
    first, last = int(others[longest]), int(others[longest + 1])  # the rows in which it begins and ends
    if first == 0 or last == height - 1:
        return False

    def zeros(row: int) -> npt.NDArray[np.bool_]:
        at = height - 1 - row if bottom_up else row
        pixels = np.asarray(image.crop((0, at, image.width, at + 1))).reshape(image.width, -1)
        return np.asarray(~pixels.any(axis=1))

    begin = 1 + int(np.flatnonzero(~zeros(first))[-1])
    end = int(np.flatnonzero(~zeros(last))[0])
    is_ragged = begin <= image.width - TORN_PIXELS and end >= TORN_PIXELS
    return is_ragged and not zeros(first - 1)[begin:].any() and not zeros(last + 1)[:end].any()


def has_flat_run(image: Image.Image, length: int) -> bool:
    """Say whether so many pixels in a row, in the order of the file, are each like the one before and the one above."""
    run = 0
    above = np.zeros((0, 0))
    for top in range(image.height):
        row = np.asarray(image.crop((0, top, image.width, top + 1))).reshape(image.width, -1)
        alike = np.full(image.width, top > 0)
        alike[1:] &= (row[1:] == row[:-1]).all(axis=1)
        if top:
            alike &= (row == above).all(axis=1)
        breaks = np.flatnonzero(~alike)
        if not len(breaks):
            run += image.width
        elif max(run + breaks[0], *np.diff(breaks), 0) >= length:
            return True
        else:
            run = image.width - int(breaks[-1])
        if run >= length:
            return True
        above = row
    return False


def _coded(format: str, data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the coded pixels lie: (start, end)."""
    if format == "QOI":
        yield 14, len(data) - 8
    elif format == "JPEG2000":
        start = data.find(b"\xff\x93")
        yield (len(data) if start < 0 else start), len(data)
    elif format == "WEBP":
        yield from _in_riff(data)
    elif format in ("AVIF", "HEIF"):
        yield from _in_boxes(data)


def _in_riff(data: bytes) -> Iterator[tuple[int, int]]:
    start = 12
    while start + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, start)
        if name in (b"VP8 ", b"ANMF") and not (name == b"ANMF" and data[start + 24 : start + 28] != b"VP8 "):
            yield start + 8, start + 8 + size
        start += 8 + size + size % 2


def _in_boxes(data: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    while start + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, start)
        if size == 1 and start + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, start + 8)
        end = len(data) if size == 0 else start + max(size, 8)
        if name == b"mdat":
            yield start + 8, end
        start = end
