"""Images from bytes: one way to look at a picture, one way to turn it into RGB, and a short reason when neither works.

Only raster formats that Pillow reads by itself are opened, and HEIC where pillow-heif is installed. EPS, PDF, WMF and
SVG are programs or documents: rendering them starts other programs or fetches files, so they are refused by name.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from windrow.tasks.algorithms.picture_quality import SIDE, Quality, measure

MAX_PIXELS = 178_956_970
"""Pillow's own limit (twice its warning level): 512 MiB once decoded to RGB."""

DECODE_RECIPE = "rgb-1: first frame, exif orientation, white under alpha, 16 bits / 257, jpeg draft"
"""Part of every feature fingerprint. Change the number whenever `decode_rgb` may return other pixels."""

Image.init()
with contextlib.suppress(ImportError):  # its wheels hold GPL code, so it is the user's to install
    import pillow_heif

    pillow_heif.register_heif_opener()
FORMATS = tuple(
    f
    for f in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "AVIF", "PPM", "QOI", "HEIF")
    if f in Image.OPEN
)

_WIDE_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
_RGB_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"})
_ACCEPTED_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"RIFF", b"\0\0\0\x0cjP", b"BM", b"qoif")
_REFUSED_STARTS = {b"%PDF": "PDF", b"%!PS": "EPS", b"\xd7\xcd\xc6\x9a": "WMF", b"8BPS": "PSD"}
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


class UnreadableImage(Exception):  # noqa: N818  (it says what the bytes are, and ends as a value in a table)
    """The bytes are no picture that can be used; `reason` is short, stable and made for a report."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class ImageFacts:
    """What a picture is. `width` and `height` are in pixels, after EXIF orientation; `mode` is Pillow's, as stored.

    The last five are of `windrow.tasks.algorithms.picture_quality`; `phash` is None for a flat picture.
    """

    width: int
    height: int
    mode: str
    format: str
    n_frames: int
    exif_orientation: int
    blur: float | None = None
    brightness: float | None = None
    contrast: float | None = None
    entropy: float | None = None
    phash: int | None = None


def inspect_image(data: bytes, max_pixels: int = MAX_PIXELS, decode: bool = True) -> ImageFacts:
    """Decode the first frame, to be sure that it can be, and say what it is; if not `decode`, its header only.

    Raises UnreadableImage with the reason ('empty file', 'truncated image', 'not an image', 'too many pixels: N > M',
    'format not accepted: PDF', ...), and ValueError when `max_pixels` is outside 1 to MAX_PIXELS.
    """
    if not 1 <= max_pixels <= MAX_PIXELS:
        raise ValueError(f"max_pixels must be 1 to {MAX_PIXELS}, got {max_pixels}")
    image = _opened(data, max_pixels)
    try:
        # TIFF forgets its orientation while loading, so this is read before.
        orientation, mode, n_frames = _orientation(image), image.mode, int(getattr(image, "n_frames", 1))
        width, height = image.size
        if orientation >= 5 and image.format != "TIFF":  # whose size is that of the picture turned upright
            width, height = height, width
        quality = None
        if decode:
            if mode == "RGB":
                image.draft("L", None)  # a JPEG holds its luma as such: no colours to compute, and all of it is read
            image.load()
            quality = measure(_grey_square(image, _orientation(image))[None])
    except Exception as error:
        raise UnreadableImage(_reason(error, data)) from error
    return ImageFacts(
        width,
        height,
        mode,
        image.format or "",
        n_frames,
        orientation,
        *(() if quality is None else _measures(quality)),
    )


def _measures(quality: Quality) -> tuple[float, float, float, float, int | None]:
    phash = int(quality.phash[0]) if quality.has_hash[0] else None
    blur, brightness, contrast, entropy = (
        float(values[0]) for values in (quality.blur, quality.brightness, quality.contrast, quality.entropy)
    )
    return blur, brightness, contrast, entropy, phash


def decode_rgb(data: bytes, min_side: int | None = None) -> Image.Image:
    """The first frame in RGB, upright, on white where it is transparent.

    White, because drawings and product pictures with transparency are made for white pages: on black their black lines
    vanish, and without a background the arbitrary colours stored under alpha 0 would show. 16-bit grey is scaled, not
    clipped; numbers without a fixed range (32-bit, float) are stretched from their minimum to their maximum.

    `min_side`: a JPEG may come back 2, 4 or 8 times smaller (decoded that way, which is cheaper), with neither side
    below `min_side` unless it was so from the start. Raises UnreadableImage, as `inspect_image`.
    """
    if min_side is not None and min_side < 1:
        raise ValueError(f"min_side must be at least 1, got {min_side}")
    image = _opened(data, MAX_PIXELS)
    try:
        if min_side is not None:
            image.draft(None, (min_side, min_side))
        image.load()
        method = _TRANSPOSE.get(_orientation(image))
        rgb = _to_rgb(image)
        return rgb if method is None else rgb.transpose(method)
    except Exception as error:
        raise UnreadableImage(_reason(error, data)) from error


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    if not data:
        raise UnreadableImage("empty file")
    # Pillow warns about odd metadata. warnings.catch_warnings is not thread-safe before Python 3.14 and decoding runs
    # in threads, so the filter is the process's, for what Pillow says only.
    if _QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        size = re.search(r"\((\d+) pixels\)", str(error))
        found = size.group(1) if size else "the header"
        raise UnreadableImage(f"too many pixels: {found} > {max_pixels}") from error
    except Exception as error:
        raise UnreadableImage(_reason(error, data)) from error
    if image.width * image.height > max_pixels:
        raise UnreadableImage(f"too many pixels: {image.width * image.height} > {max_pixels}")
    if image.mode not in _RGB_MODES | _WIDE_MODES:
        raise UnreadableImage(f"colour mode not accepted: {image.mode}")
    return image


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken metadata is no reason to refuse a good picture
        return 1
    return value if value in _TRANSPOSE else 1


def _grey_square(image: Image.Image, orientation: int) -> npt.NDArray[np.uint8]:
    """Luma of a loaded picture at SIDE x SIDE, upright, on white where it is transparent."""
    if image.mode not in ("L", "RGB") or image.has_transparency_data:
        image = _to_rgb(image)
    grey = image if image.mode == "L" else image.convert("L")
    factors = max(1, grey.width // SIDE), max(1, grey.height // SIDE)
    if factors != (1, 1):
        grey = grey.reduce(factors)  # means of whole pixels, at a tenth of what resizing from full size costs
    square = grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    method = _TRANSPOSE.get(orientation)
    return np.asarray(square if method is None else square.transpose(method))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _WIDE_MODES:
        return _grey_8_bits(image).convert("RGB")
    if image.has_transparency_data:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image.convert("RGB")


def _grey_8_bits(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode != "F" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0  # 16-bit PPM also opens as mode I
    span = max(high - low, np.finfo(np.float64).tiny)
    return Image.fromarray(np.rint((values - low) / span * 255).astype(np.uint8))


def _reason(error: Exception, data: bytes) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, UnidentifiedImageError):
        return _unidentified(data)
    if "Decompressed data too large" in str(error) or "Too much memory used in text" in str(error):
        return "too much compressed metadata"
    if isinstance(error, EOFError) or "truncat" in str(error).lower():
        return "truncated image"
    return "damaged image"


def _unidentified(data: bytes) -> str:
    head = data[:1024].lstrip()
    for start, name in _REFUSED_STARTS.items():
        if head.startswith(start):
            return f"format not accepted: {name}"
    if b"<svg" in head.lower():
        return "format not accepted: SVG"
    if head[4:8] == b"ftyp":
        known = head[8:12] == b"avif" or ("HEIF" in FORMATS and head[8:12] in (b"heic", b"heix", b"mif1"))
        return "damaged image" if known else "format not accepted: HEIC or video"
    return "damaged image" if head.startswith(_ACCEPTED_STARTS) else "not an image"
