"""Opening a picture: what Pillow makes of its bytes, and a short reason where it makes nothing of them.

Only raster formats that Pillow reads by itself are opened, and HEIC where pillow-heif is installed. EPS, PDF, WMF and
SVG are programs or documents: rendering them starts other programs or fetches files, so they are refused by name.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable
from typing import TypeVar

from PIL import Image, ImageFile, UnidentifiedImageError

from windrow.schemas.texts.mends import DAMAGED_CHUNKS, METADATA
from windrow.tasks.pictures import png_chunks
from windrow.tasks.pictures.machine_memory import reserved
from windrow.tasks.pictures.mending import without_metadata
from windrow.tasks.pictures.unsupported import why_unsupported

Result = TypeVar("Result")
Look = Callable[[ImageFile.ImageFile, bytes, str | None], Result]

Image.init()
with contextlib.suppress(ImportError):  # its wheels hold GPL code, so it is the user's to install
    import pillow_heif

    pillow_heif.register_heif_opener()
FORMATS = tuple(
    f
    for f in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "AVIF", "PPM", "QOI", "HEIF")
    if f in Image.OPEN
)

DAMAGED = "damaged image"
TRUNCATED = "truncated image"
DAMAGED_METADATA = "damaged metadata"
_ACCEPTED_STARTS = (
    b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"RIFF", b"\0\0\0\x0cjP",
    b"\xff\x4f\xff\x51", b"BM", b"qoif",
)  # fmt: skip
_REFUSED_STARTS = {
    b"%PDF": "PDF", b"%!PS": "EPS", b"\xd7\xcd\xc6\x9a": "WMF", b"8BPS": "PSD", b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL", b"II\xbc": "JPEG XR", b"v/1\x01": "OpenEXR", b"SIMPLE  =": "FITS", b"DDS ": "DDS",
    b"P7\n": "PAM", b"#?RADIANCE": "Radiance HDR", b"\0\0\1\0": "ICO",
}  # fmt: skip
_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


class UnreadableImage(Exception):  # noqa: N818  (it says what the bytes are, and ends as a value in a table)
    """The bytes are no picture that can be used; `reason` is short, stable and made for a report."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def look_at(data: bytes, max_pixels: int, look: Look[Result], whole: bool = True) -> Result:
    """Open a picture, and return what `look` makes of it, of the bytes it was opened from, and of how these are mended.

    `whole`: it will be decoded, and the checksums of a PNG are checked. Where metadata is damaged, or it cannot be read
    with it, it is passed over (`mending.py`). Raises UnreadableImage for whatever Pillow or `look` fails with.
    """
    if not data:
        raise UnreadableImage("empty file")
    is_png = data.startswith(png_chunks.SIGNATURE)
    plain = data
    try:
        if is_png and whole:
            plain = png_chunks.without_damage(data)
        return _look_at(plain, max_pixels, look, whole, None if plain is data else DAMAGED_CHUNKS)
    except png_chunks.DamagedChunkError as error:
        raise UnreadableImage(str(error)) from error
    except UnreadableImage as error:
        if error.reason != DAMAGED_METADATA and not (is_png and error.reason in (DAMAGED, TRUNCATED)):
            raise
        try:
            plainer = without_metadata(data)
        except png_chunks.DamagedChunkError:
            raise error from None
        if plainer == plain:
            raise
        return _look_at(plainer, max_pixels, look, whole, METADATA)


def _look_at(data: bytes, max_pixels: int, look: Look[Result], whole: bool, mended: str | None) -> Result:
    with reserved(_bytes_to_open(data)):
        image = _opened(data, max_pixels)
        try:
            with reserved(bytes_to_decode(image.width * image.height, data) if whole else 0):
                return look(image, data, mended)
        except UnreadableImage:
            raise
        except Exception as error:
            raise UnreadableImage(_reason(error, data)) from error


def bytes_to_decode(n_pixels: int, data: bytes) -> int:
    """The most that decoding takes: for an animated WebP four pictures of 4 bytes a pixel, and the file twice."""
    return 20 * n_pixels + 2 * len(data)


def _bytes_to_open(data: bytes) -> int:
    """What opening takes before Pillow says how large a picture is: a WebP's decoder makes its canvas at once."""
    if data[8:12] != b"WEBP":
        return 0
    if data[12:16] == b"VP8X":
        sides = [1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27)]
    elif data[12:16] == b"VP8L":
        packed = int.from_bytes(data[21:25], "little")
        sides = [1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)]
    else:
        sides = [int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28)]
    return bytes_to_decode(sides[0] * sides[1], data)


def reopened(data: bytes) -> ImageFile.ImageFile:
    """Open once more what was opened before."""
    return Image.open(io.BytesIO(data), formats=FORMATS)


def _opened(data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    # Pillow warns about odd metadata. warnings.catch_warnings is not thread-safe before Python 3.14 and decoding runs
    # in threads, so the filter is the process's, for what Pillow says only.
    if _QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        image = reopened(data)
    except Image.DecompressionBombError as error:
        size = re.search(r"\((\d+) pixels\)", str(error))
        found = size.group(1) if size else "the header"
        raise UnreadableImage(f"too many pixels: {found} > {max_pixels}") from error
    except Exception as error:
        raise UnreadableImage(_reason(error, data)) from error
    if image.width * image.height > max_pixels:
        raise UnreadableImage(f"too many pixels: {image.width * image.height} > {max_pixels}")
    return image


def _reason(error: Exception, data: bytes) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, UnidentifiedImageError):
        return _unidentified(data)
    if "Decompressed data too large" in str(error) or "Too much memory used in text" in str(error):
        return "too much compressed metadata"
    if isinstance(error, EOFError) or "truncat" in str(error).lower():
        return TRUNCATED
    return why_unsupported(data, was_opened=True) or DAMAGED


def _unidentified(data: bytes) -> str:
    head = data[:1024].lstrip()
    for start, name in _REFUSED_STARTS.items():
        if data.startswith(start) or head.startswith(start):
            return f"format not accepted: {name}"
    if data[128:132] == b"DICM":
        return "format not accepted: DICOM"
    if b"<svg" in head.lower():
        return "format not accepted: SVG"
    if head[4:8] == b"ftyp":
        known = head[8:12] == b"avif" or ("HEIF" in FORMATS and head[8:12] in (b"heic", b"heix", b"mif1"))
        return DAMAGED if known else "format not accepted: HEIC or video"
    return why_unsupported(data) or (DAMAGED if head.startswith(_ACCEPTED_STARTS) else "not an image")
