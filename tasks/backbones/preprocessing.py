"""From an RGB picture to a model's input: resize, centre crop, rescale, normalise.

The geometry is done in threads and leaves bytes; the arithmetic is one multiplication and one addition a channel, done
on the device for the whole batch: a quarter of the memory traffic of preparing floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from windrow.tasks.backbones.backbone import BackboneUnavailable
from windrow.tasks.pictures.decoding import DECODE_RECIPE

MAX_ASPECT = 64
_KNOWN_STEPS = {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb", "do_reduce_labels"}


@dataclass(frozen=True)
class Preprocessing:
    """`resize`: the short side, or (height, width), in pixels. `crop`: (height, width), from the centre.

    `mean` and `std` are of pixels already multiplied by `scale`.
    """

    resize: int | tuple[int, int] | None
    crop: tuple[int, int] | None
    resample: Image.Resampling = Image.Resampling.BICUBIC
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.crop is None and not isinstance(self.resize, tuple):
            raise ValueError(f"resize {self.resize} without a crop gives pictures of different shapes")

    @property
    def min_side(self) -> int:
        """Short side below which a picture would have to be enlarged."""
        if self.resize is None:
            return max(self.crop or (1,))
        return max(self.resize) if isinstance(self.resize, tuple) else self.resize

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """RGB picture → (3, height, width)."""
        image = self._trimmed(image)
        if self.resize is not None:
            size = self._resized(image.width, image.height)
            image = image if image.size == size else image.resize(size, self.resample)
        if self.crop is not None:
            height, width = self.crop
            left, top = (image.width - width) // 2, (image.height - height) // 2
            image = image.crop((left, top, left + width, top + height))
        return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))

    def affine(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """(gain, offset), each (3, 1, 1), such that the model's input is byte * gain + offset."""
        mean, std = np.array(self.mean, dtype=np.float64), np.array(self.std, dtype=np.float64)
        shape = (len(self.mean), 1, 1)
        return (self.scale / std).astype(np.float32).reshape(shape), (-mean / std).astype(np.float32).reshape(shape)

    def __str__(self) -> str:
        return (
            f"{DECODE_RECIPE}; resize {self.resize} {self.resample.name.lower()}; centre crop {self.crop}; "
            f"scale {self.scale:.6g}; mean {self.mean}; std {self.std}"
        )

    def _trimmed(self, image: Image.Image) -> Image.Image:
        """Cut the ends off a very long picture: enlarged by its short side it would fill the memory, for a small crop.

        At least MAX_ASPECT crops are left, around the same centre, and as many whole short sides are gone at each end:
        the pixels of the crop stay where they were.
        """
        if self.crop is None or not isinstance(self.resize, int):
            return image
        short = min(image.size)
        longest = MAX_ASPECT * short * -(-max(self.crop) // self.resize)
        left, top = (max(0, side - longest) // (2 * short) * short for side in image.size)
        if not left and not top:
            return image
        return image.crop((left, top, image.width - left, image.height - top))

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if isinstance(self.resize, tuple):
            return self.resize[1], self.resize[0]
        short = self.resize or min(width, height)
        # Rounded down, as Hugging Face's and torchvision's resize do.
        return (short, short * height // width) if width <= height else (short * width // height, short)


def from_hugging_face(settings: Mapping[str, Any], image_size: int | None) -> Preprocessing:
    """Preprocessing from the contents of a preprocessor_config.json.

    With `image_size` the geometry is replaced: short side to `image_size`, bicubic, and a square from the centre.
    Raises BackboneUnavailable for a step that is not known, because leaving it out would silently spoil the features.
    """
    unknown = sorted(k for k, v in settings.items() if k.startswith("do_") and v and k not in _KNOWN_STEPS)
    if unknown or settings.get("rescale_offset"):
        raise BackboneUnavailable(
            f"preprocessor_config.json asks for {', '.join(unknown) or 'rescale_offset'}: not known"
        )
    channels = len(settings.get("image_mean") or (0, 0, 0))
    normalise = settings.get("do_normalize", True) and "image_mean" in settings
    scale = float(settings.get("rescale_factor", 1 / 255)) if settings.get("do_rescale", True) else 1.0
    mean = tuple(map(float, settings["image_mean"])) if normalise else (0.0,) * channels
    std = tuple(map(float, settings["image_std"])) if normalise else (1.0,) * channels
    if image_size is not None:
        square = (image_size, image_size)
        return Preprocessing(image_size, square, Image.Resampling.BICUBIC, scale, mean, std)
    resample = Image.Resampling(settings.get("resample", Image.Resampling.BILINEAR))
    return Preprocessing(*_geometry(settings), resample, scale, mean, std)


def _geometry(settings: Mapping[str, Any]) -> tuple[int | tuple[int, int] | None, tuple[int, int] | None]:
    size, crop = settings.get("size"), settings.get("crop_size")
    cropped = _pair(crop) if settings.get("do_center_crop", False) and crop is not None else None
    if not settings.get("do_resize", True):
        return None, cropped
    if isinstance(size, int):  # the format before 2022: a short side when a crop follows, else both sides
        return (size, cropped) if cropped else ((size, size), None)
    if isinstance(size, Mapping) and "shortest_edge" in size:
        edge = int(size["shortest_edge"])
        if "crop_pct" in settings:  # ConvNeXT: enlarge, then crop; from 384 on squeeze to a square instead
            return (int(edge / settings["crop_pct"]), (edge, edge)) if edge < 384 else ((edge, edge), None)
        if cropped:
            return edge, cropped
    elif isinstance(size, Mapping) and {"height", "width"} <= size.keys():
        return _pair(size), cropped
    raise BackboneUnavailable(f"preprocessor_config.json: size {size} gives no fixed shape; set image_size")


def _pair(size: int | Mapping[str, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size["height"]), int(size["width"]))
