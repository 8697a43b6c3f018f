"""Cheap measures: hand-worked values, what blur does to them, and a hash that survives copying."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from windrow.tasks.algorithms.picture_quality import SIDE, laplacian_variance, measure, perceptual_hash
from windrow.tasks.pictures.decoding import ImageFacts, inspect_image

PHOTOS = Path(__file__).parents[4] / "shared" / "data" / "photos"
Grey = npt.NDArray[np.uint8]


def square(values: npt.ArrayLike) -> Grey:
    return np.broadcast_to(np.asarray(values, np.uint8), (SIDE, SIDE))[None].copy()


def scene(seed: int, size: tuple[int, int] = (300, 200)) -> Image.Image:
    """Soft blobs with sharp shapes on them: photographs have both."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    for _ in range(12):
        x, y, w, h = (int(value) for value in rng.integers(5, 150, 4))
        image.paste(tuple(int(value) for value in rng.integers(0, 256, 3)), (x, y, x + w, y + h))
    return image


def facts(image: Image.Image, format: str = "PNG", **options: int) -> ImageFacts:
    out = io.BytesIO()
    image.save(out, format, **options)
    return inspect_image(out.getvalue())


def distance(a: int | None, b: int | None) -> int:
    assert a is not None
    assert b is not None
    return ((a ^ b) & 2**64 - 1).bit_count()


def test_a_flat_picture_has_nothing_in_it_and_no_hash() -> None:
    found = measure(square(51))
    assert (found.blur[0], found.contrast[0], found.entropy[0]) == (0, 0, 0)
    assert found.brightness[0] == np.float32(0.2)
    assert not found.has_hash[0]
    assert not np.signbit(found.entropy[0])


def test_a_checkerboard_has_the_most_of_everything_but_greys() -> None:
    found = measure(square(255 * (np.indices((SIDE, SIDE)).sum(axis=0) % 2)))
    # each pixel differs from its four neighbours: the Laplacian is 4 or -4 half and half, so its variance is 16
    assert (found.blur[0], found.brightness[0], found.contrast[0], found.entropy[0]) == (16, 0.5, 0.5, 1)


def test_a_ramp_has_every_other_grey_and_no_edge() -> None:
    found = measure(square(2 * np.arange(SIDE)))
    assert (found.blur[0], found.entropy[0]) == (0, 7)
    assert found.brightness[0] == np.float32(127 / 255)
    assert found.contrast[0] == np.float32(2 * np.sqrt((SIDE**2 - 1) / 12) / 255)


def test_one_bright_pixel_is_worked_out_by_hand() -> None:
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[60, 60] = 255  # a Laplacian of 4 there and -1 at its four sides: sum 0, squares 20, over 126 x 126 pixels
    assert laplacian_variance(values[None])[0] == np.float32(20 / 126**2)


def test_the_hash_is_that_of_a_cosine_transform_written_out() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    small = grey.reshape(32, 4, 32, 4).mean(axis=(1, 3))
    at = np.pi * (2 * np.arange(32) + 1) / 64
    low = [(small * np.outer(np.cos(at * v), np.cos(at * u))).sum() for v in range(8) for u in range(8)]
    bits = "".join("1" if each > np.median(low) else "0" for each in low)
    assert f"{int(perceptual_hash(grey[None])[0]) & 2**64 - 1:064b}" == bits


def test_a_hash_has_no_bits_of_noise_where_a_picture_has_no_such_frequencies() -> None:
    stripes = perceptual_hash(square(255 * (np.arange(SIDE) // 16 % 2)))
    assert int(stripes[0]) & 2**56 - 1 == 0


@given(st.integers(0, 2**32), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_each_picture_is_measured_by_itself_whatever_others_there_are(seed: int, n: int) -> None:
    squares = np.random.default_rng(seed).integers(0, 256, (n, SIDE, SIDE), dtype=np.uint8)
    together, last = measure(squares), measure(squares[-1:])
    for name, values in vars(together).items():
        assert values[-1] == getattr(last, name)[0]


@given(st.integers(0, 2**32), st.integers(2, 8), st.integers(60, 400), st.integers(60, 400))
@settings(max_examples=30, deadline=None)
def test_blurring_lowers_blur_and_keeps_brightness(seed: int, radius: int, width: int, height: int) -> None:
    image = scene(seed, (width, height))
    before, after = facts(image), facts(image.filter(ImageFilter.GaussianBlur(radius)))
    assert after.blur < before.blur
    assert abs(after.brightness - before.brightness) < 0.05


@given(st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_a_hash_survives_a_new_size_and_a_new_compression(seed: int) -> None:
    image = scene(seed)
    original = facts(image)
    assert distance(original.phash, facts(image, "JPEG", quality=40).phash) <= 6
    assert distance(original.phash, facts(image.resize((150, 130), Image.Resampling.LANCZOS)).phash) <= 6
    assert distance(original.phash, facts(scene(seed + 1)).phash) > 6


def test_a_turned_camera_and_a_transparent_picture_are_measured_as_they_are_shown() -> None:
    exif = Image.Exif()
    exif[274] = 6
    out = io.BytesIO()
    scene(1).transpose(Image.Transpose.ROTATE_90).save(out, "PNG", exif=exif)
    assert inspect_image(out.getvalue()).phash == facts(scene(1)).phash
    assert facts(Image.new("RGBA", (9, 9), (0, 0, 0, 0))).brightness == 1
    assert facts(Image.new("I;16", (9, 9), 257 * 204)).brightness == np.float32(0.8)


def test_a_grey_decode_of_a_jpeg_measures_what_its_colours_do() -> None:
    out = io.BytesIO()
    scene(3).save(out, "JPEG", quality=90)
    grey, colours = inspect_image(out.getvalue()), facts(Image.open(out).convert("RGB"))
    assert grey.mode == "RGB"
    assert distance(grey.phash, colours.phash) <= 2
    assert grey.brightness == pytest.approx(colours.brightness, abs=1e-2)
    assert grey.blur == pytest.approx(colours.blur, rel=0.05)


@pytest.mark.parametrize("squares", [np.zeros((1, 64, 64), np.uint8), np.zeros((1, SIDE, SIDE), np.float32)])
def test_squares_of_another_kind_are_refused(squares: Grey) -> None:
    with pytest.raises(ValueError, match="squares: expected uint8"):
        measure(squares)


@pytest.mark.shared
@pytest.mark.skipif(not PHOTOS.exists(), reason="needs ../shared/data")
def test_real_photographs_are_far_from_each_other_and_near_their_copies() -> None:
    photos = [Image.open(path).convert("RGB") for path in sorted(PHOTOS.glob("*.JPEG"))[:40]]
    hashes = [facts(photo).phash for photo in photos]
    copies = [facts(photo.resize((photo.width // 2, photo.height // 2)), "JPEG", quality=50).phash for photo in photos]
    assert max(distance(a, b) for a, b in zip(hashes, copies, strict=True)) <= 6
    assert min(distance(a, b) for i, a in enumerate(hashes) for b in hashes[:i]) > 6
