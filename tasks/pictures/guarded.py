"""Pictures in RGB for whoever looks at them after ingest, decoded in sandboxes as ingest's are.

A sandbox answers one picture at a time. As many run as threads of this process ask at once, and they stay for the next.
"""

from __future__ import annotations

import struct
import threading

from PIL import Image

from windrow.tasks.pictures.decoding import MAX_PIXELS, decode_rgb
from windrow.tasks.pictures.machine_memory import FREE
from windrow.tasks.pictures.opening import UnreadableImage, bytes_to_decode
from windrow.tasks.pictures.sandbox import Limits, Sandbox
from windrow.tasks.pictures.sandbox_worker import Pixels

LIMITS = Limits(300.0, bytes_to_decode(MAX_PIXELS, b"") + 2**30 + FREE)
"""More seconds than ingest gives by default: what passed there, in grey, is not to fail here, in colours."""

_SIDE = struct.Struct("<I")
_idle: list[Sandbox] = []
_lock = threading.Lock()


def decode_guarded(data: bytes, min_side: int | None = None) -> Image.Image:
    """Return what `decode_rgb` does, from another process. Raises UnreadableImage, with the sandbox's reasons, too."""
    [found] = decode_all_guarded([data], min_side)
    if isinstance(found, str):
        raise UnreadableImage(found)
    return found


def decode_all_guarded(images: list[bytes], min_side: int | None = None) -> list[Image.Image | str]:
    """Return each of some pictures, or the reason why it cannot be read; asking for a few at once is cheaper."""
    with _lock:
        sandbox = _idle.pop() if _idle else Sandbox(rgb_pixels, limits=LIMITS)
    try:
        found = sandbox.look([_SIDE.pack(min_side or 0) + data for data in images])
    finally:
        with _lock:
            _idle.append(sandbox)
    return [
        Image.frombytes("RGB", (one.width, one.height), one.data) if isinstance(one, Pixels) else str(one)
        for one in found
    ]


def rgb_pixels(asked: bytes) -> Pixels:
    """In a sandbox: decode a picture behind the least side that is wanted (0: as it is)."""
    (min_side,) = _SIDE.unpack_from(asked)
    image = decode_rgb(asked[_SIDE.size :], min_side or None)
    return Pixels(image.width, image.height, image.tobytes())
