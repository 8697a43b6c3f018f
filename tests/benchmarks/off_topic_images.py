"""Pictures of no class of CIFAR-10, by kind: what a pool is made dirty with."""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from bench_detection import encoded, number
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from sklearn.datasets import load_digits

N_PICTURES, SIDE = 800, 32
LETTERS = np.array(list(string.ascii_lowercase + "     "))


def pictures_of(kind: str, photographs: Path) -> list[bytes]:
    """All pictures of a kind, the same at every call: 800, but as many photographs as the folder holds."""
    rng = np.random.default_rng(0)
    if kind == "photographs":
        return [encoded(shrunk(each)) for each in _photographs(photographs)]
    if kind == "crops":
        found = _photographs(photographs)
        return [encoded(shrunk(_cropped(found[n % len(found)], rng))) for n in range(N_PICTURES)]
    return [DRAWN[kind](rng) for _ in range(N_PICTURES)]


def shrunk(image: Image.Image) -> Image.Image:
    """A picture in CIFAR-10's size."""
    return image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)


def _photographs(folder: Path) -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in sorted(folder.glob("n*"))]


def _cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    side = int(min(image.size) * rng.uniform(0.2, 0.5))
    left, top = rng.integers(image.width - side + 1), rng.integers(image.height - side + 1)
    return image.crop((int(left), int(top), int(left) + side, int(top) + side))


@cache
def _scans() -> npt.NDArray[np.float64]:
    return np.asarray(load_digits().images * 15.9375)


def _scan(rng: np.random.Generator) -> bytes:
    """A digit that was written by hand, grey on white or the other way round."""
    pixels = _scans()[rng.integers(len(_scans()))]
    grey = Image.fromarray(np.rint(255 - pixels if rng.integers(2) else pixels).astype(np.uint8))
    return encoded(grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB"))


def _texture(rng: np.random.Generator) -> bytes:
    """Waves in two colours, alone or crossed, smooth or with hard edges."""
    across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    found = np.zeros((SIDE, SIDE))
    for _ in range(int(rng.integers(1, 4))):
        angle, length, phase = rng.uniform(0, np.pi), rng.uniform(3, 16), rng.uniform(0, 2 * np.pi)
        found += np.sin((across * np.cos(angle) + down * np.sin(angle)) * 2 * np.pi / length + phase)
    share = (np.sign(found) + 1) / 2 if rng.integers(2) else (found - found.min()) / np.ptp(found)
    dark, light = rng.integers(0, 256, (2, 3))
    return _picture(dark + share[:, :, None] * (light - dark))


def _noise(rng: np.random.Generator) -> bytes:
    """Noise in grey or in colours, its grain of one to eight pixels."""
    grain = int(rng.choice([1, 2, 4, 8]))
    size = (SIDE // grain, SIDE // grain, int(rng.choice([1, 3])))
    values = rng.normal(rng.uniform(60, 200), rng.uniform(20, 90), size)
    return _picture(np.broadcast_to(values.repeat(grain, axis=0).repeat(grain, axis=1), (SIDE, SIDE, 3)))


def _page(rng: np.random.Generator) -> bytes:
    """Lines of text as on a screen or on paper, seen from afar or near."""
    ground, ink = ((245, 243, 238), (30, 30, 40)) if rng.integers(2) else ((25, 28, 35), (200, 210, 200))
    page, size = Image.new("RGB", (160, 160), ground), int(rng.integers(8, 30))
    font, canvas = ImageFont.load_default(size=size), ImageDraw.Draw(page)
    for top in range(int(rng.integers(0, 20)), 160, int(size * 1.3)):
        canvas.text((int(rng.integers(2, 12)), top), "".join(rng.choice(LETTERS, 40)), fill=ink, font=font)
    return encoded(shrunk(page.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1))))))


def _picture(values: npt.NDArray[np.float64]) -> bytes:
    return encoded(Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)))


DRAWN: dict[str, Callable[[np.random.Generator], bytes]] = {
    "numbers": number,
    "scans": _scan,
    "textures": _texture,
    "noise": _noise,
    "pages": _page,
}
KINDS = ("photographs", "crops", *DRAWN)
