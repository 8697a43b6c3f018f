"""Pictures in RGB for whoever looks at them after ingest, decoded in sandboxes as ingest's are.

A sandbox answers some pictures at a time. As many run as threads of this process ask at once, and they stay for the
next. What is made of a picture is best made there, too: a model's input is a tenth of the pixels that it comes from.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from windrow.tasks.pictures.decoding import MAX_PIXELS, use_rgb
from windrow.tasks.pictures.machine_memory import FREE
from windrow.tasks.pictures.opening import UnreadableImage, bytes_to_decode
from windrow.tasks.pictures.sandbox import Limits, Sandbox
from windrow.tasks.pictures.sandbox_worker import Pixels

LIMITS = Limits(300.0, bytes_to_decode(MAX_PIXELS, b"") + 2**30 + FREE)
"""More seconds than ingest gives by default: what passed there, in grey, is not to fail here, in colours."""


class Preparation(Protocol):
    """What is made of a picture in RGB; it can be pickled, and is of a module that the sandbox can import."""

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """The array to return in its stead."""
        ...


class AsItIs:
    """Prepares nothing: (height, width, 3)."""

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        return np.asarray(image)


_idle: list[Sandbox] = []
_lock = threading.Lock()


def decode_guarded(data: bytes, min_side: int | None = None) -> Image.Image:
    """Return what `decode_rgb` does, from another process. Raises UnreadableImage, with the sandbox's reasons, too."""
    [found] = decode_all_guarded([data], min_side)
    if isinstance(found, str):
        raise UnreadableImage(found)
    return found


def decode_all_guarded(images: Sequence[bytes], min_side: int | None = None) -> list[Image.Image | str]:
    """Return each of some pictures, or the reason why it cannot be read; asking for a few at once is cheaper."""
    found = prepare_all_guarded(images, min_side, AsItIs())
    return [one if isinstance(one, str) else Image.fromarray(one) for one in found]


def prepare_all_guarded(
    images: Sequence[bytes], min_side: int | None, preparation: Preparation
) -> list[npt.NDArray[np.uint8] | str]:
    """Return what becomes of each of some pictures, or the reason why it cannot be read."""
    with _lock:
        sandbox = _idle.pop() if _idle else Sandbox(prepared_pixels, limits=LIMITS)
    try:
        found = sandbox.look(images, min_side, preparation)
    finally:
        with _lock:
            _idle.append(sandbox)
    return [array_of(one) if isinstance(one, Pixels) else str(one) for one in found]


def array_of(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """Return what came from a sandbox as an array."""
    return np.frombuffer(pixels.data, np.uint8).reshape(pixels.shape)


def prepared_pixels(data: bytes, min_side: int | None, preparation: Preparation) -> Pixels:
    """In a sandbox: decode a picture and prepare it."""
    return pixels_of(use_rgb(data, min_side, preparation.prepare))


def pixels_of(array: npt.NDArray[np.uint8]) -> Pixels:
    """Return an array as a sandbox sends it."""
    return Pixels(array.shape, np.ascontiguousarray(array).data)
