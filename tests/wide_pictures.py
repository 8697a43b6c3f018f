"""Pictures of more than 8 bits a sample, written by hand: Pillow writes grey ones only."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
from hostile_pictures import png_chunk
from PIL import Image

Samples = npt.NDArray[np.integer]


def widened(values: npt.NDArray[np.uint8], bits: int, how: str = "shifted") -> npt.NDArray[np.uint16]:
    """Return 8-bit samples as so many bits: with zeros below them, with their upper bits again, or multiplied."""
    wide = values.astype(np.uint32)
    if how == "shifted":
        made = wide << (bits - 8)
    elif how == "repeated":
        made = wide << (bits - 8) | wide >> (16 - bits)
    else:
        made = np.rint(wide * ((1 << bits) - 1) / 255)
    return made.astype(np.uint16)


def png_16(values: Samples, sbit: int | None = None) -> bytes:
    """Return a PNG of (height, width, 1 to 4) 16-bit samples, with an sBIT chunk or without."""
    height, width, n = values.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[n], 0, 0, 0)
    rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    body = zlib.compress(np.insert(rows, 0, 0, axis=1).tobytes(), 1)
    said = [] if sbit is None else [png_chunk(b"sBIT", bytes([sbit] * n))]
    chunks = (png_chunk(b"IHDR", head), *said, png_chunk(b"IDAT", body), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff_of(
    values: Samples, order: str = "<", deflated: bool = False, kind: int = 1, ink: int | None = None,
    extra: tuple[int, ...] = (), tags: tuple[tuple[int, int], ...] = (),
) -> bytes:  # fmt: skip
    """Return a TIFF of (height, width, bands) samples of any type, in one strip; `kind` is its SampleFormat."""
    height, width, n = values.shape
    bits = values.dtype.itemsize * 8
    body = values.astype(values.dtype.newbyteorder(order)).tobytes()
    body = zlib.compress(body) if deflated else body
    shorts = struct.pack(f"{order}{n}H", *[bits] * n) + struct.pack(f"{order}{n}H", *[kind] * n)
    shorts += struct.pack(f"{order}{len(extra)}H", *extra)
    ink = (2 if n in (3, 4) else 1) if ink is None else ink
    entries = [(256, 4, width), (257, 4, height), (259, 3, 8 if deflated else 1), (262, 3, ink), (277, 3, n),
               (278, 4, height), (279, 4, len(body)), *((tag, 3, value) for tag, value in tags)]  # fmt: skip
    count = len(entries) + 3 + bool(extra)
    start = 8 + 2 + 12 * count + 4
    made = [(tag, 3 if type_ == 3 else 4, 1, value) for tag, type_, value in entries]
    made += [_shorts(258, n, start, bits), _shorts(339, n, start + 2 * n, kind), (273, 4, 1, start + len(shorts))]
    made += [_shorts(338, len(extra), start + 4 * n, *extra[:1])] if extra else []
    parts = [_entry(order, *entry) for entry in sorted(made)]
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, count)
    return head + b"".join(parts) + bytes(4) + shorts + body


def _shorts(tag: int, n: int, place: int, value: int) -> tuple[int, int, int, int]:
    return (tag, 3, n, value | value << 16 if n == 2 else value if n == 1 else place)


def _entry(order: str, tag: int, type_: int, n: int, value: int) -> bytes:
    if type_ == 3 and n == 1:
        return struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0)
    return struct.pack(f"{order}HHII", tag, type_, n, value)


def pgm(values: Samples, maxval: int) -> bytes:
    """Return a binary PGM or PPM of (height, width, 1 or 3) samples."""
    height, width, n = values.shape
    kind = ">u2" if maxval > 255 else np.uint8
    return b"P%d\n%d %d\n%d\n" % (5 if n == 1 else 6, width, height, maxval) + values.astype(kind).tobytes()


def jpeg_2000(values: Samples) -> bytes:
    """Return a lossless JPEG 2000 of 16-bit grey."""
    out = io.BytesIO()
    Image.fromarray(values[..., 0].astype(np.uint16)).save(out, "JPEG2000")
    return out.getvalue()
