"""Images from bytes: one way to look at a picture, and one way to turn it into RGB.

Both decode with the same call and check the same marks, so what ingest passes is not refused later. Pictures are made
smaller before they are made wider (a palette's index is one byte, its colour four), a band at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from PIL import ExifTags, Image, ImageFile

from windrow.tasks.algorithms.picture_quality import SIDE, Quality, measure
from windrow.tasks.pictures.conversion import grey_square, in_bands, to_rgb
from windrow.tasks.pictures.loading import Draft, load_8_bits, refuse_mode
from windrow.tasks.pictures.opening import DAMAGED_METADATA, FORMATS, UnreadableImage, look_at

__all__ = [
    "DECODE_RECIPE", "FORMATS", "MAX_PIXELS", "ImageFacts", "UnreadableImage", "decode_rgb", "draft_scale", "in_rgb",
    "inspect_image", "inspected", "use_rgb",
]  # fmt: skip

Result = TypeVar("Result")

MAX_PIXELS = 178_956_970
"""Pillow's own limit (twice its warning level): 512 MiB once decoded to RGB."""
MEASURED_SIDE = 2 * SIDE
"""To no less are JPEGs drafted to be measured: twice the side of the square that is looked at."""
MANY_PIXELS = 2**24
"""More than these are made smaller while they become RGB, for whoever says how small."""

DECODE_RECIPE = "rgb-2: first frame, exif orientation, white under alpha, upper 8 of the bits in use, jpeg draft"
"""Part of every feature fingerprint. Change the number whenever `decode_rgb` may return other pixels."""

_DRAFTED = ("JPEG", "MPO")
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class ImageFacts:
    """What a picture is. `width` and `height` are in pixels, after EXIF orientation; `mode` is Pillow's, as stored.

    `mended` is what is passed over for it to be read. The last five are of
    `windrow.tasks.algorithms.picture_quality`; `phash` is None for a flat picture.
    """

    width: int
    height: int
    mode: str
    format: str
    n_frames: int
    exif_orientation: int
    mended: str | None = None
    blur: float | None = None
    brightness: float | None = None
    contrast: float | None = None
    entropy: float | None = None
    phash: int | None = None


def inspect_image(data: bytes, max_pixels: int = MAX_PIXELS, decode: bool = True) -> ImageFacts:
    """Decode the first frame, to be sure that it can be, and say what it is; if not `decode`, its header only.

    Raises UnreadableImage with the reason ('empty file', 'truncated image', 'not an image', 'too many pixels: N > M',
    'format not accepted: PDF', 'not supported: TIFF of 13 bands of 16 bits', ...), and ValueError when `max_pixels` is
    outside 1 to MAX_PIXELS.
    """
    if not 1 <= max_pixels <= MAX_PIXELS:
        raise ValueError(f"max_pixels must be 1 to {MAX_PIXELS}, got {max_pixels}")

    def look(image: ImageFile.ImageFile, data: bytes, mended: str | None) -> ImageFacts:
        return inspected(image, data, mended, decode)[0]

    return look_at(data, max_pixels, look, whole=decode)


def inspected(
    image: ImageFile.ImageFile, data: bytes, mended: str | None, decode: bool
) -> tuple[ImageFacts, Image.Image | None]:
    """Return what an opened picture is, and the picture as it was decoded for that, None where it was not.

    A JPEG is drafted to MEASURED_SIDE: all of it is read, and the colours are there for who wants them.
    """
    refuse_mode(image)
    mode, format, size, n_frames = image.mode, image.format or "", image.size, int(getattr(image, "n_frames", 1))
    before = _orientation(image)
    measures: tuple[float | None, ...] = ()
    loaded = None
    if decode:
        loaded = load_8_bits(image, data, _draft(MEASURED_SIDE))
        turn = _orientation(image, is_loaded=True)  # of a TIFF that Pillow has turned, it says 1 now
        measures = _measures(measure(grey_square(loaded, _TRANSPOSE.get(turn))[None]))
        before = before if format == "TIFF" else turn
    width, height = size if before < 5 or format == "TIFF" else size[::-1]  # a TIFF's size is that of it upright
    facts = ImageFacts(width, height, mode, format, n_frames, before, mended, *measures)  # type: ignore[arg-type]
    return facts, loaded


def _measures(quality: Quality) -> tuple[float | None, ...]:
    phash = int(quality.phash[0]) if quality.has_hash[0] else None
    values = (quality.blur, quality.brightness, quality.contrast, quality.entropy)
    return (*(float(each[0]) for each in values), phash)


def decode_rgb(data: bytes, min_side: int | None = None) -> Image.Image:
    """The first frame in RGB, upright, on white where it is transparent.

    White, because drawings and product pictures with transparency are made for white pages: on black their black lines
    vanish, and without a background the arbitrary colours stored under alpha 0 would show. What more than 8 bits
    become is told in `sample_levels.py`.

    `min_side`: a JPEG may come back 2, 4 or 8 times smaller (decoded that way, which is cheaper), and what has more
    than MANY_PIXELS a whole number of times, with neither side below `min_side` unless it was so from the start.
    Raises UnreadableImage, as `inspect_image`.
    """
    return use_rgb(data, min_side, lambda image: image)


def use_rgb(data: bytes, min_side: int | None, use: Callable[[Image.Image], Result]) -> Result:
    """What `use` makes of the picture that `decode_rgb` returns, while the memory for it is reserved."""
    if min_side is not None and min_side < 1:
        raise ValueError(f"min_side must be at least 1, got {min_side}")

    def look(image: ImageFile.ImageFile, data: bytes, _: str | None) -> Result:
        return use(in_rgb(image, load_8_bits(image, data, _draft(min_side)), min_side))

    return look_at(data, MAX_PIXELS, look)


def in_rgb(image: ImageFile.ImageFile, loaded: Image.Image, min_side: int | None) -> Image.Image:
    """Return an opened picture, decoded as it is to be for `min_side`, as `decode_rgb` does."""
    method = _TRANSPOSE.get(_orientation(image, is_loaded=True))
    factor = 1
    if min_side is not None and image.width * image.height > MANY_PIXELS:
        factor = max(1, min(image.size) // (2 * min_side))
    rgb = to_rgb(loaded) if factor == 1 else in_bands(loaded, "RGB", to_rgb, factor)
    return rgb if method is None else rgb.transpose(method)


def draft_scale(format: str, sides: tuple[int, int], min_side: int | None) -> int:
    """Return how many times smaller Pillow's draft makes a picture of these sides, in either order, for `min_side`."""
    if min_side is None or format not in _DRAFTED:
        return 1
    return next(scale for scale in (8, 4, 2, 1) if min(sides) >= scale * min_side or scale == 1)


def _draft(min_side: int | None) -> Draft | None:
    return None if min_side is None else (None, (min_side, min_side))


def _orientation(image: Image.Image, is_loaded: bool = False) -> int:
    """Return the EXIF orientation; of a PNG that is not loaded, only what stands before its pixels.

    Raises UnreadableImage where readers that turn a picture by it would fail: Pillow's `exif_transpose` writes it anew.
    """
    try:
        exif = image.getexif() if is_loaded else Image.Image.getexif(image)  # a PNG's own loads it
        value = exif.get(ExifTags.Base.Orientation, 1)
        if image.format in ("JPEG", "MPO") and "exif" in image.info:
            Image.Exif().load(image.info["exif"])  # which was tried when it was opened, and is tried again of any copy
        if value not in _TRANSPOSE:
            return 1
        if "exif" in image.info or "Raw profile type exif" in image.info:
            exif.tobytes()
    except Exception as error:
        raise UnreadableImage(DAMAGED_METADATA) from error
    return int(value)
