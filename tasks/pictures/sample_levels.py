"""How samples of more than 8 bits become 8: by the bits that they use, which is seldom all that their file holds.

Sensors give 10, 12 or 14 bits, and files hold 16. What counts is, in this order:

1. what the file says: PNG's sBIT, the maxval of PGM and PPM, the 12 bits, MaxSampleValue or WhiteLevel of a TIFF, the
   precision of JPEG 2000; what it says is not believed where a sample is larger.
   PNG wants samples of fewer bits multiplied up to 16: they are taken so, unless some could not come from that, or the
   largest has the top one of those bits and no higher;
2. else the least of 8, 10, 12, 14 and 16 bits that holds the largest sample of the picture.

Of these bits the upper 8 are kept, not rounded: a picture of 8 bits that was widened, by zeros, by repeating its bits
or by multiplication, comes back as it was. Numbers with a sign, of 32 bits, or float, have no such range: they are
stretched from the least to the largest of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, TiffImagePlugin

from windrow.tasks.pictures.png_chunks import chunk_data

WIDE_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
BAND_PIXELS = 2**21
_DEPTHS = (8, 10, 12, 14, 16)
_TIFF_LARGEST = (281, 341, 50717)  # MaxSampleValue, SMaxSampleValue, WhiteLevel
_Samples = npt.NDArray[Any]


def bands(image: Image.Image, multiple: int = 1) -> Iterator[tuple[int, int, int, int]]:
    """Yield boxes of about BAND_PIXELS that cover a picture from its top, their heights multiples of a number."""
    height = max(multiple, BAND_PIXELS // max(1, image.width) // multiple * multiple)
    for top in range(0, image.height, height):
        yield 0, top, image.width, min(image.height, top + height)


def grey_8_bits(image: Image.Image, data: bytes) -> Image.Image:
    """Return a loaded picture of one of WIDE_MODES as 'L'; `data` is its file."""
    low, high = _range(image)
    scaled: Callable[[_Samples], _Samples]
    if image.mode != "F" and low >= 0 and high <= 65535:
        depth = _depth(int(high), _bits_said(image, data), lambda bits: _is_scaled(image, _parts(image), bits))

        def scaled(values: _Samples) -> _Samples:
            return _upper_8(values, depth)
    else:
        span = max(high - low, np.finfo(np.float64).tiny)

        def scaled(values: _Samples) -> _Samples:
            return np.rint((_finite(values) - low) / span * 255)

    grey = Image.new("L", image.size)
    for box in bands(image):
        grey.paste(Image.fromarray(scaled(np.asarray(image.crop(box))).astype(np.uint8)), box)
    return grey


def colours_8_bits(image: Image.Image, low: Callable[[], Image.Image], data: bytes) -> Image.Image:
    """Return a picture of 16-bit colours, of which `image` has the upper bytes and `low()` the lower ones.

    Alpha, which need not use as many bits as the colours, is judged by itself.
    """
    n_colours = 3 if image.mode in ("RGB", "RGBA", "RGBa") else len(image.getbands())
    most = _largest(image)
    said = _bits_said(image, data)
    if max(most[:n_colours]) >= 64 or said == 16:
        _shift_transparent_colour(image, 8)
        return image
    lower = low()

    def parts() -> Iterator[_Samples]:
        return (_joined(image, lower, box)[..., :n_colours] for box in bands(image))

    largest = 256 * max(most[:n_colours]) + 255 if max(most[:n_colours]) else max(_largest(lower)[:n_colours])
    depths = [_depth(largest, said, lambda bits: _is_scaled(image, parts(), bits))] * n_colours
    depths += [_depth(256 * high + 255, None, bool) for high in most[n_colours:]]
    for box in bands(image):
        values: _Samples = _joined(image, lower, box)
        if len(set(depths)) == 1:
            values = _upper_8(values, depths[0])
        else:
            values = np.stack([_upper_8(values[..., at], depth) for at, depth in enumerate(depths)], axis=-1)
        part = Image.frombytes(image.mode, (box[2] - box[0], box[3] - box[1]), values.astype(np.uint8).tobytes())
        image.paste(part, box)
    _shift_transparent_colour(image, depths[0] - 8)
    return image


def _largest(image: Image.Image) -> list[int]:
    return [int(high) for _, high in np.reshape(image.getextrema(), (-1, 2))]


def _shift_transparent_colour(image: Image.Image, n_bits: int) -> None:
    """Make the colour that a PNG calls transparent one of 8 bits, as the picture now is."""
    colour = image.info.get("transparency")
    if isinstance(colour, tuple):
        image.info["transparency"] = tuple(min(255, each >> max(0, n_bits)) for each in colour)


def ppm_8_bits(image: ImageFile.ImageFile, data: bytes) -> Image.Image:
    """Return the pixels of a binary PGM or PPM whose maxval is not 255, which Pillow reads one by one.

    Raises EOFError when there are too few.
    """
    offset, (rawmode, maxval) = image.tile[0].offset, cast(tuple[str, int], image.tile[0].args)
    shape = (image.height, image.width, 3 if rawmode == "RGB" else 1)
    kind = np.dtype(">u2" if maxval > 255 else np.uint8)
    n_values = int(np.prod(shape))
    if len(data) - offset < n_values * kind.itemsize:
        raise EOFError("truncated")
    values: _Samples = np.frombuffer(data, kind, n_values, offset).reshape(shape)
    made = Image.new("RGB" if rawmode == "RGB" else "L", image.size)
    for box in bands(image):
        part = values[box[1] : box[3]]
        if maxval > 255 and maxval & (maxval + 1) == 0:
            small = _upper_8(part, maxval.bit_length())
        else:
            small = np.minimum(np.rint(part / maxval * 255), 255)
        made.paste(Image.frombytes(made.mode, (image.width, len(part)), small.astype(np.uint8).tobytes()), box)
    return made


def _joined(upper: Image.Image, lower: Image.Image, box: tuple[int, int, int, int]) -> npt.NDArray[np.uint16]:
    joined: npt.NDArray[np.uint16] = np.asarray(upper.crop(box)).astype(np.uint16) << 8 | np.asarray(lower.crop(box))
    return joined


def _parts(image: Image.Image) -> Iterator[_Samples]:
    return (np.asarray(image.crop(box)) for box in bands(image))


def _finite(values: _Samples) -> npt.NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _range(image: Image.Image) -> tuple[float, float]:
    ends = [(float(_finite(part).min()), float(_finite(part).max())) for part in _parts(image)]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _depth(largest: int, said: int | None, is_scaled: Callable[[int], bool]) -> int:
    """Return how many bits samples use, of which the largest is given."""
    if said is None or largest >= 1 << said:
        return 16 if said is not None else next(depth for depth in _DEPTHS if largest < 1 << depth)
    fills_them = largest >= 1 << (said - 1)
    return 16 if said == 16 or (not fills_them and is_scaled(said)) else said


def _is_scaled(image: Image.Image, parts: Iterator[_Samples], bits: int) -> bool:
    """Say whether 16-bit samples are those of so many bits, widened as PNG wants it: then few of them are dark."""
    step = 1 << (16 - bits)
    if image.format != "PNG":
        return False
    return all(bool((part % step <= 1).all()) for part in parts)


def _upper_8(values: _Samples, depth: int) -> _Samples:
    if depth < 8:
        values, depth = values.astype(np.uint32) * 255 // ((1 << depth) - 1), 8
    upper: _Samples = np.minimum(np.right_shift(values, depth - 8), 255)
    return upper


def _bits_said(image: Image.Image, data: bytes) -> int | None:
    """Return how many bits a file says that its samples use; None where it says nothing beyond their container."""
    if image.format == "PNG":
        bits = chunk_data(data, b"sBIT")
        return max(bits[: 3 if len(bits) > 2 else 1]) if bits and 0 < max(bits) <= 16 else None
    if image.format == "PPM":
        return 16
    if image.format == "JPEG2000":
        start = data.index(b"\xff\x4f\xff\x51")
        return 16 if (data[start + 42] & 127) + 1 < 16 else None  # Pillow has widened them
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return _bits_of_tiff(image)
    return None


def _bits_of_tiff(image: TiffImagePlugin.TiffImageFile) -> int | None:
    tags = image.tag_v2
    bits = np.ravel(tags.get(258, 1))
    if 8 < bits[0] < 16:
        return int(bits[0])
    for tag in _TIFF_LARGEST:
        if tag in tags and 0 < (largest := float(np.max(tags[tag]))) <= 65535:
            return int(largest).bit_length()
    return None
