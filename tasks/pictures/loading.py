"""Decoding an opened picture to at most 8 bits a sample, and refusing what turns out not to be whole."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageFile

from windrow.tasks.pictures.opening import DAMAGED, UnreadableImage, reopened
from windrow.tasks.pictures.sample_levels import WIDE_MODES, colours_8_bits, grey_8_bits, ppm_8_bits
from windrow.tasks.pictures.whole_marks import (
    HOLE,
    has_flat_run,
    has_zero_hole,
    has_zeros,
    is_torn,
    why_not_whole,
)

Draft = tuple[str | None, tuple[int, int] | None]

_RGB_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"})
_LOWER = {
    f"{colours};16{order}": f"{colours};16{other}"
    for colours in ("RGB", "RGBA", "RGBX", "RGBa", "CMYK")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B"))  # N is the machine's order, which is L wherever it runs
}
_GREY_AND_ALPHA = "LA;16B"


def refuse_mode(image: Image.Image) -> None:
    """Raise UnreadableImage for colours that have no way to RGB here."""
    if image.mode not in _RGB_MODES | WIDE_MODES:
        raise UnreadableImage(f"not supported: {image.format} in the colours {image.mode}")


def load_8_bits(image: ImageFile.ImageFile, data: bytes, draft: Draft | None) -> Image.Image:
    """Decode an opened picture; `draft` is what Pillow's draft is asked for.

    Raises UnreadableImage for a file with a hole or without its end, and whatever the decoder raises.
    """
    if damage := why_not_whole(image.format or "", data, image.width * image.height):
        raise UnreadableImage(damage)
    codec = image.tile[0].codec_name if image.tile else ""
    is_raw = codec in ("raw", "ppm") and _lies_row_by_row(image)
    bottom_up = bool(image.tile) and isinstance(image.tile[0].args, tuple) and image.tile[0].args[-1] == -1
    loaded = ppm_8_bits(image, data) if codec == "ppm" else _load(image, data, draft)
    if is_raw and has_zeros(data) and (is_torn(loaded, bottom_up) or has_zero_hole(loaded, bottom_up)):
        raise UnreadableImage(DAMAGED)
    if b"VP8L" in data[12:64] and has_zeros(data) and not has_flat_run(loaded, 8 * HOLE):
        raise UnreadableImage(DAMAGED)  # there zeros may be pixels like those before, of at least a bit each
    return loaded


def _lies_row_by_row(image: ImageFile.ImageFile) -> bool:
    is_planar = getattr(image, "tag_v2", {}).get(284, 1) == 2
    return (
        image.mode != "P"
        and not is_planar
        and all(tile.extents and tile.extents[::2] == (0, image.width) for tile in image.tile)
    )


def _load(image: ImageFile.ImageFile, data: bytes, draft: Draft | None) -> Image.Image:
    lower = _lower_bytes(image, data)
    if draft is not None:
        image.draft(*draft)
    image.load()
    if image.mode in WIDE_MODES:
        return grey_8_bits(image, data)
    if image.format == "JPEG2000" and _bits_are_lost(image, data):
        raise UnreadableImage("not supported: JPEG 2000 of 16-bit colours that use fewer bits")
    return image if lower is None else colours_8_bits(image, lower, data)


def _lower_bytes(image: ImageFile.ImageFile, data: bytes) -> Callable[[], Image.Image] | None:
    """Return how to decode the lower bytes of 16-bit colours, of which Pillow gives the upper ones; None for others.

    Pillow knows both orders of bytes: read in the wrong one, they come out instead.
    """
    rawmodes = {tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0] for tile in image.tile}
    rawmode = str(rawmodes.pop()) if len(rawmodes) == 1 else ""
    if rawmode not in (*_LOWER, _GREY_AND_ALPHA):
        return None

    def decode() -> Image.Image:
        again = reopened(data)
        wanted = _LOWER.get(rawmode, "RGBA")
        again.tile = [
            tile._replace(args=wanted if isinstance(tile.args, str) else (wanted, *(tile.args or ())[1:]))
            for tile in again.tile
        ]
        again.load()
        if rawmode != _GREY_AND_ALPHA:
            return again
        _, grey, _, alpha = again.split()  # upper and lower byte of each
        return Image.merge("RGBA", (grey, grey, grey, alpha))

    return decode


def _bits_are_lost(image: ImageFile.ImageFile, data: bytes) -> bool:
    """Say whether Pillow has cut 16-bit colours to their upper 8 bits, of which less than 7 are in use."""
    if image.mode not in ("RGB", "RGBA"):
        return False
    start = data.index(b"\xff\x4f\xff\x51")
    extrema: tuple[tuple[int, int], ...] = image.getextrema()  # type: ignore[assignment]
    return (data[start + 42] & 127) + 1 == 16 and 0 < max(high for _, high in extrema[:3]) < 64
