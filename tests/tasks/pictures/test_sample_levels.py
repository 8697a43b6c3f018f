"""More than 8 bits: a picture looks the same at every depth, however its file holds it, and dark ones stay dark."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest
from damaged_pictures import scene
from hypothesis import given, settings
from hypothesis import strategies as st
from wide_pictures import Samples, jpeg_2000, pgm, png_16, tiff_of, widened

from windrow.tasks.pictures.decoding import decode_rgb, inspect_image

CONTAINERS: dict[str, tuple[int, Callable[[Samples], bytes]]] = {
    "PNG grey": (1, png_16),
    "PNG grey and alpha": (2, png_16),
    "PNG colours": (3, png_16),
    "PNG colours and alpha": (4, png_16),
    "TIFF grey": (1, tiff_of),
    "TIFF grey, big-endian": (1, partial(tiff_of, order=">")),
    "TIFF grey, deflated": (1, partial(tiff_of, deflated=True)),
    "TIFF colours": (3, tiff_of),
    "TIFF colours, big-endian": (3, partial(tiff_of, order=">")),
    "TIFF colours, deflated": (3, partial(tiff_of, deflated=True)),
    "TIFF colours, deflated, big-endian": (3, partial(tiff_of, deflated=True, order=">")),
    "TIFF colours and alpha": (4, partial(tiff_of, extra=(2,))),
    "TIFF with sign": (1, lambda values: tiff_of(values.astype(np.int16), kind=2)),
    "TIFF of 32 bits": (1, lambda values: tiff_of(values.astype(np.uint32))),
    "JPEG 2000": (1, jpeg_2000),
}
DEPTHS = [(bits, how) for bits in (10, 12, 14) for how in ("shifted", "repeated", "multiplied")]


def colours(n: int, most: int = 256) -> npt.NDArray[np.uint8]:
    """A scene with a white pixel, of so many samples a pixel; alpha is full."""
    rgb = np.asarray(scene(0, 64, 48)).copy()
    rgb[0, 0] = 255
    rgb = (rgb.astype(int) * most // 256).astype(np.uint8)
    plain = rgb if n > 2 else rgb[..., 1:2]
    return np.concatenate([plain, np.full((48, 64, 1), 255, np.uint8)], axis=2) if n in (2, 4) else plain


def shown(data: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(decode_rgb(data))


def as_rgb(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return values[..., :3] if values.shape[2] > 2 else np.repeat(values[..., :1], 3, axis=2)


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize(("bits", "how"), DEPTHS)
def test_a_picture_is_the_same_at_every_depth(name: str, bits: int, how: str) -> None:
    n, write = CONTAINERS[name]
    values = colours(n)
    data = write(widened(values, bits, how))
    assert np.array_equal(shown(data), as_rgb(values))
    same = inspect_image(png_16(widened(values, 16, "repeated")))
    facts = inspect_image(data)
    assert (facts.phash, facts.brightness, facts.blur) == (same.phash, same.brightness, same.blur)


@pytest.mark.parametrize("name", ["PNG colours", "TIFF colours", "PNG grey", "TIFF grey", "JPEG 2000"])
def test_sixteen_bits_that_are_in_use_are_sixteen(name: str) -> None:
    n, write = CONTAINERS[name]
    values = colours(n).astype(np.uint16) * 257
    assert np.array_equal(shown(write(values)), as_rgb((values >> 8).astype(np.uint8)))


@pytest.mark.parametrize(
    ("write", "n"),
    [
        (partial(png_16, sbit=16), 1),
        (partial(png_16, sbit=16), 3),
        (partial(pgm, maxval=65535), 1),
        (partial(pgm, maxval=65535), 3),
        (partial(tiff_of, tags=((281, 65535),)), 1),
        (partial(tiff_of, tags=((281, 65535),)), 3),
    ],
)
def test_a_dark_picture_stays_dark_where_its_file_says_how_light_white_is(
    write: Callable[[Samples], bytes], n: int
) -> None:
    values = widened(colours(n), 10)
    assert np.array_equal(shown(write(values)), as_rgb((values >> 8).astype(np.uint8)))


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_what_png_says_of_its_bits_holds_for_samples_widened_or_not(n: int, bits: int) -> None:
    dark = colours(n, most=100)
    plain = widened(dark, bits, "multiplied")
    assert np.array_equal(shown(png_16(plain, sbit=bits)), as_rgb(dark))  # without it, they would be of fewer bits
    assert np.array_equal(shown(png_16(plain.astype(int) << (16 - bits), sbit=bits)), as_rgb(dark))
    very_dark = widened(dark, bits).astype(int) // 64 << (16 - bits)
    assert shown(png_16(very_dark, sbit=bits)).max() <= 100 // 32


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("maxval", [1023, 4095, 16383])
def test_maxval_is_white(n: int, maxval: int) -> None:
    for most in (256, 60):
        values = colours(n, most)
        assert np.array_equal(shown(pgm(widened(values, maxval.bit_length()), maxval)), as_rgb(values))


@given(st.integers(1, 65535), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_any_maxval_scales_as_the_format_says(maxval: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, maxval + 1, (5, 7, 3))
    wanted = values * 255 / maxval
    assert np.abs(shown(pgm(values, maxval)).astype(float) - wanted).max() <= 1


def test_a_tiff_says_what_its_largest_sample_may_be() -> None:
    values = colours(3, most=60)
    for tag in (281, 50717):
        assert np.array_equal(shown(tiff_of(widened(values, 12), tags=((tag, 4095),))), as_rgb(values))


def test_what_a_file_says_is_not_believed_where_a_sample_is_larger() -> None:
    values = colours(1).astype(np.uint16) * 257
    assert np.array_equal(shown(tiff_of(values, tags=((281, 1023),))), as_rgb((values >> 8).astype(np.uint8)))
    assert np.array_equal(shown(png_16(values, sbit=10)), as_rgb((values >> 8).astype(np.uint8)))


def test_alpha_of_more_bits_than_the_colours_is_judged_by_itself() -> None:
    values = widened(colours(4), 10)
    values[..., 3] = 65535
    assert np.array_equal(shown(png_16(values)), as_rgb(colours(4)))
    values[..., 3] = 0
    assert shown(png_16(values)).min() == 255
