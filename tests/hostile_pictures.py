"""Pictures that are broken, that lie or that expand, and good ones that look so."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from hostile_case import READ, Hostile
from PIL import Image, ImageCms


def picture(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    """Return noise, which no codec makes small."""
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def half(data: bytes) -> bytes:
    """Return the first half."""
    return data[: len(data) // 2]


def animation(format: str) -> bytes:
    """Return three frames, the first one red."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    return encoded(frames[0], format, save_all=True, append_images=frames[1:])


def turned(orientation: int) -> bytes:
    """Return a JPEG of 40 x 30 stored pixels with an EXIF orientation."""
    exif = Image.Exif()
    exif[274] = orientation
    return encoded(picture(), "JPEG", exif=exif)


def png_chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def deflated(size: int) -> bytes:
    """Return `size` zeros, compressed."""
    packer = zlib.compressobj(1)
    block = bytes(2**20)
    parts = [packer.compress(block[: min(2**20, size - start)]) for start in range(0, size, 2**20)]
    return b"".join(parts) + packer.flush()


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a good PNG with chunks (name, data) put in after its header."""
    good = encoded(picture())
    return good[:33] + b"".join(png_chunk(*chunk) for chunk in chunks) + good[33:]


def pixel_bomb() -> bytes:
    """Return a PNG of 50,000 x 50,000 pixels of one bit: 300 KB that would be gigabytes."""
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0)
    chunks = png_chunk(b"IHDR", head) + png_chunk(b"IDAT", deflated(50_000 * 6251)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def tiff(*entries: tuple[int, int, int, int], tail: bytes = b"") -> bytes:
    """Return a TIFF with a directory of (tag, type, count, value)."""
    parts = [struct.pack("<HHII", *entry) for entry in entries]
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(parts) + bytes(4) + tail


def tiff_that_lies(*, count: int = 1, offset: int = 200) -> bytes:
    """Return a TIFF of 64 x 64 whose only strip is said to lie somewhere, or to be very many."""
    plain = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    return tiff(*plain, (273, 4, count, offset), (277, 3, 1, 1), (278, 4, 1, 64), (279, 4, 1, 4096), tail=bytes(64))


def tiff_in_a_circle() -> bytes:
    """Return a TIFF whose second directory is the first again."""
    data = bytearray(encoded(picture(8, 8), "TIFF"))
    (start,) = struct.unpack_from("<I", data, 4)
    (n_entries,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * n_entries, start)
    return bytes(data)


def _icc_of_srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def images() -> Iterator[Hostile]:
    """Yield files that say they are pictures."""
    yield Hostile("zero bytes", "a.jpg", lambda: b"", "empty file")
    for format in ("JPEG", "PNG", "WEBP", "GIF"):
        name = f"a.{format.lower()}"
        cut = "damaged image" if format == "WEBP" else "truncated image"
        yield Hostile(f"half a {format}", name, partial(half, encoded(picture(), format)), cut)
    yield Hostile("text named `.jpg`", "a.jpg", lambda: b"hello, this is text", "not an image")
    yield Hostile(
        "PNG of 50,000 x 50,000 pixels, 1 bit each",
        "a.png",
        pixel_bomb,
        "too many pixels: 2500000000 > 178956970",
    )
    yield Hostile(
        "PNG with 100 MB of compressed text (zTXt)",
        "a.png",
        lambda: png_with((b"zTXt", b"k\0\0" + deflated(100 * 2**20))),
        "too much compressed metadata",
    )
    yield Hostile(
        "PNG with a colour profile of 100 MB, compressed (iCCP)",
        "a.png",
        lambda: png_with((b"iCCP", b"k\0\0" + deflated(100 * 2**20))),
        "too much compressed metadata",
    )
    yield Hostile(
        "PNG with 70 texts of 1 MB",
        "a.png",
        lambda: png_with(*[(b"zTXt", b"k\0\0" + deflated(2**20))] * 70),
        "too much compressed metadata",
    )
    yield Hostile(
        "TIFF whose strip lies after the end of the file",
        "a.tif",
        lambda: tiff_that_lies(offset=2**31),
        "truncated image",
    )
    yield Hostile("TIFF of 4,000,000,000 strips", "a.tif", lambda: tiff_that_lies(count=4 * 10**9), "damaged image")
    yield Hostile("TIFF whose directories go round in a circle", "a.tif", tiff_in_a_circle, "read: 8 x 8 RGB TIFF")
    yield Hostile(
        "PNG of 100,000 x 1 pixels", "a.png", lambda: encoded(picture(100_000, 1)), "read: 100000 x 1 RGB PNG"
    )
    for format, mode in (("GIF", "P"), ("WEBP", "RGB"), ("PNG", "RGB")):
        yield Hostile(
            f"animated {format}",
            f"a.{format.lower()}",
            partial(animation, format),
            f"read: 8 x 8 {mode} {format}, 3 frames",
        )
    yield Hostile("CMYK JPEG", "a.jpg", lambda: encoded(picture(mode="CMYK"), "JPEG"), "read: 40 x 30 CMYK JPEG")
    yield Hostile(
        "16-bit grey PNG", "a.png", lambda: encoded(Image.new("I;16", (40, 30), 999)), "read: 40 x 30 I;16 PNG"
    )
    yield Hostile("palette PNG", "a.png", lambda: encoded(picture(mode="P")), "read: 40 x 30 P PNG")
    yield Hostile("PNG with alpha", "a.png", lambda: encoded(picture(mode="RGBA")), "read: 40 x 30 RGBA PNG")
    yield Hostile(
        "JPEG with a colour profile",
        "a.jpg",
        lambda: encoded(picture(), "JPEG", icc_profile=_icc_of_srgb()),
        "read: 40 x 30 RGB JPEG",
    )
    yield Hostile(
        "JPEG with nonsense for a profile",
        "a.jpg",
        lambda: encoded(picture(), "JPEG", icc_profile=b"?" * 99),
        "read: 40 x 30 RGB JPEG",
    )
    yield Hostile("PNG named `.jpg`", "a.jpg", lambda: encoded(picture()), READ)
    for orientation in range(1, 9):
        upright = "40 x 30" if orientation < 5 else "30 x 40"
        what = f"JPEG of 40 x 30, EXIF orientation {orientation}"
        yield Hostile(what, "a.jpg", partial(turned, orientation), f"read: {upright} RGB JPEG")
    yield Hostile("EXIF orientation 9", "a.jpg", lambda: turned(9), "read: 40 x 30 RGB JPEG")
    yield Hostile("SVG", "a.svg", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "format not accepted: SVG")
    yield Hostile("PDF", "a.jpg", lambda: b"%PDF-1.7\n", "format not accepted: PDF")
    yield Hostile("EPS", "a.jpg", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", "format not accepted: EPS")
    yield Hostile(
        "a video named as HEIC",
        "a.heic",
        lambda: b"\0\0\0\x18ftypmp42\0\0\0\0mp42",
        "a video (MP4 or QuickTime): save its frames as pictures",
    )
    yield Hostile("AVIF", "a.avif", lambda: encoded(picture(), "AVIF"), "read: 40 x 30 RGB AVIF")
    yield Hostile("half an AVIF", "a.avif", lambda: half(encoded(picture(), "AVIF")), "damaged image")
