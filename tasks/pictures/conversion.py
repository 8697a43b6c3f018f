"""A loaded picture of at most 8 bits a sample, in RGB or as a grey square; large ones a band at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from windrow.tasks.algorithms.picture_quality import SIDE
from windrow.tasks.pictures.sample_levels import BAND_PIXELS, bands


def to_rgb(image: Image.Image) -> Image.Image:
    """Return a picture in RGB, on white where it is transparent."""
    if image.has_transparency_data:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image.convert("RGB")


def grey_square(image: Image.Image, turn: Image.Transpose | None) -> npt.NDArray[np.uint8]:
    """Return the luma of a picture at SIDE x SIDE, turned, on white where it is transparent."""
    grey = image
    if image.mode != "L" or image.has_transparency_data:
        grey = _grey(image) if image.width * image.height <= BAND_PIXELS else in_bands(image, "L", _grey, 1)
    factors = max(1, grey.width // SIDE), max(1, grey.height // SIDE)
    if factors != (1, 1):
        grey = grey.reduce(factors)  # means of whole pixels, at a tenth of what resizing from full size costs
    square = grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(square if turn is None else square.transpose(turn))


def in_bands(image: Image.Image, mode: str, convert: Callable[[Image.Image], Image.Image], factor: int) -> Image.Image:
    """Convert a picture to a mode band by band, each made smaller by a whole factor at once."""
    made = Image.new(mode, (-(-image.width // factor), -(-image.height // factor)))
    for box in bands(image, factor):
        part = convert(image.crop(box))
        made.paste(part.reduce(factor) if factor > 1 else part, (0, box[1] // factor))
    return made


def _grey(image: Image.Image) -> Image.Image:
    return (image if image.mode == "RGB" and not image.has_transparency_data else to_rgb(image)).convert("L")
