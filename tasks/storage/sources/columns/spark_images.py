"""Images as Spark's image source keeps them: a struct of raw pixels, which become a PNG of the same pixels.

https://spark.apache.org/docs/latest/ml-datasource.html: origin, height, width, nChannels, mode (a type of OpenCV), data
(rows from the top, each pixel blue, green, red and alpha).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

FIELDS = frozenset({"height", "width", "nChannels", "mode", "data"})
CHANNELS = {0: 1, 16: 3, 24: 4}
"""Channels by OpenCV's types of 8 bits: CV_8UC1, CV_8UC3, CV_8UC4."""
COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
IN_ORDER = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}
MOST_STORED = 65535
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def is_spark_image(kind: pa.DataType) -> bool:
    """Say whether this is the type of Spark's images."""
    return pa.types.is_struct(kind) and {field.name for field in kind} >= FIELDS


def spark_png(image: Mapping[str, Any], max_pixels: int) -> bytes | str:
    """Return the PNG of a Spark image, or the reason why there is none.

    It is stored, not compressed, so that the same pixels give the same bytes with every zlib.
    """
    height, width, mode, data = (image[name] for name in ("height", "width", "mode", "data"))
    if not data or not isinstance(height, int) or not isinstance(width, int) or height < 1 or width < 1:
        return "null image: Spark could not read it"
    n_channels = CHANNELS.get(mode)
    if n_channels is None or n_channels != image["nChannels"]:
        return f"not supported: Spark image of OpenCV type {mode} with {image['nChannels']} channels"
    if height * width * n_channels != len(data):
        return f"damaged: {len(data)} bytes for {width} x {height} pixels of {n_channels} channels"
    if height * width > max_pixels:
        return f"too large: {height * width} > {max_pixels} pixels"
    pixels = np.frombuffer(data, np.uint8).reshape(height, width, n_channels)[:, :, IN_ORDER[n_channels]]
    return stored_png(pixels)


def stored_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return a PNG of pixels (height, width, 1, 3 or 4 channels: grey, RGB, RGBA), uncompressed."""
    height, width, n_channels = pixels.shape
    rows = np.zeros((height, 1 + width * n_channels), np.uint8)  # each after the number of its filter, none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[n_channels], 0, 0, 0)
    return b"".join([SIGNATURE, *_chunk(b"IHDR", header), *_chunk(b"IDAT", _stored(rows.tobytes())), *_chunk(b"IEND")])


def _chunk(name: bytes, data: bytes = b"") -> Iterator[bytes]:
    yield struct.pack(">I", len(data)) + name
    yield data
    yield struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


def _stored(data: bytes) -> bytes:
    """A zlib stream (RFC 1950) of stored blocks (RFC 1951, 3.2.4)."""
    starts = range(0, len(data), MOST_STORED)
    blocks = []
    for start in starts:
        block = data[start : start + MOST_STORED]
        is_last = start + MOST_STORED >= len(data)
        blocks += [struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF), block]
    return b"".join([b"\x78\x01", *blocks, struct.pack(">I", zlib.adler32(data))])
