"""Pictures damaged as disks and networks damage them: families of damage over every format, and how much is found."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from windrow.tasks.pictures.decoding import UnreadableImage, inspect_image

FORMATS: Mapping[str, tuple[str, dict[str, object]]] = {
    "JPEG": ("JPEG", {"quality": 85}),
    "JPEG, optimised": ("JPEG", {"quality": 90, "optimize": True}),
    "JPEG, progressive": ("JPEG", {"quality": 80, "progressive": True}),
    "PNG": ("PNG", {}),
    "WebP": ("WEBP", {"quality": 80}),
    "WebP, lossless": ("WEBP", {"lossless": True, "method": 0}),
    "GIF": ("GIF", {}),
    "JPEG 2000": ("JPEG2000", {}),
    "JPEG 2000, lossy": ("JPEG2000", {"irreversible": True, "quality_mode": "rates", "quality_layers": [12]}),
    "AVIF": ("AVIF", {"speed": 10}),
    "QOI": ("QOI", {}),
    "BMP": ("BMP", {}),
    "PPM": ("PPM", {}),
    "TIFF, raw": ("TIFF", {}),
    "TIFF, deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "TIFF, LZW": ("TIFF", {"compression": "tiff_lzw"}),
}


def scene(seed: int, width: int = 200, height: int = 150) -> Image.Image:
    """Return a picture with shapes and grain, as photographs have; it is nowhere black."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(40, 220, (9, 12, 3), dtype=np.uint8)).resize((width, height), 3)
    grain = rng.normal(0, 6, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(coarse) + grain, 8, 247).astype(np.uint8))


def saved(image: Image.Image, name: str) -> bytes:
    """Return a picture in one of FORMATS."""
    format, options = FORMATS[name]
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def flip(data: bytes, rng: random.Random) -> bytes:
    """Change a byte behind the header."""
    place = rng.randrange(len(data) // 5, len(data))
    return data[:place] + bytes([data[place] ^ rng.randrange(1, 256)]) + data[place + 1 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    """End the file early."""
    return data[: rng.randrange(len(data) // 5, len(data) - 1)]


def zero_tail(data: bytes, rng: random.Random) -> bytes:
    """Fill the file with zeros from somewhere in its second fifth on: what is left of a broken copy."""
    place = rng.randrange(len(data) // 5, 2 * len(data) // 5)
    return data[:place] + bytes(len(data) - place)


def zero_middle(data: bytes, rng: random.Random) -> bytes:
    """Fill two thirds with zeros and leave the end: blocks of a disk that were never written."""
    place = rng.randrange(len(data) // 5, len(data) // 4)
    end = place + 2 * len(data) // 3
    return data[:place] + bytes(end - place) + data[end:]


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, cut, zero_tail, zero_middle)


def damaged(name: str, damage: Callable[[bytes, random.Random], bytes], n: int) -> Iterator[bytes]:
    """Yield `n` damaged pictures, always the same."""
    rng = random.Random(f"{name} {damage.__name__}")
    whole = [saved(scene(seed), name) for seed in range(4)]
    return (damage(whole[at % len(whole)], rng) for at in range(n))


def reason(data: bytes) -> str | None:
    """Return why a picture is not usable, None where it is."""
    try:
        inspect_image(data)
    except UnreadableImage as error:
        return error.reason
    return None


def main() -> None:
    """Print the share of each family that is found, in percent, and false alarms on the photographs of a folder."""
    import sys

    n = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    print("| format | " + " | ".join(damage.__name__ for damage in DAMAGES) + " |")
    for name in FORMATS:
        found = [sum(reason(data) is not None for data in damaged(name, damage, n)) for damage in DAMAGES]
        print(f"| {name} | " + " | ".join(f"{100 * each / n:.0f}" for each in found) + " |", flush=True)
    for folder in map(Path, sys.argv[2:]):
        reasons = {path.name: reason(path.read_bytes()) for path in sorted(folder.iterdir())}
        print(len(reasons), {name: why for name, why in reasons.items() if why})


if __name__ == "__main__":
    main()
