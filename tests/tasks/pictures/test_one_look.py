"""A picture is decoded once for its facts and for models, and each gets what it would get alone."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from damaged_pictures import DAMAGES, FORMATS, saved, scene
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from windrow.tasks.backbones.preprocessing import Preprocessing
from windrow.tasks.pictures import decoding
from windrow.tasks.pictures.decoding import MAX_PIXELS, UnreadableImage, draft_scale, inspect_image
from windrow.tasks.pictures.guarded import LIMITS, AsItIs, prepare_all_guarded, prepared_pixels
from windrow.tasks.pictures.one_look import View, look_once, look_once_guarded
from windrow.tasks.pictures.sandbox import Limits, Sandbox
from windrow.tasks.pictures.sandbox_worker import Pixels, Seen

SMALL, WHOLE = View(32, Preprocessing(32, (32, 32))), View(None, AsItIs())
VIEWS = (SMALL, View(300, Preprocessing((24, 24), None)), WHOLE)


def alone(data: bytes, view: View) -> Pixels | str:
    """What whoever comes later gets."""
    try:
        return prepared_pixels(data, view.min_side, view.preparation)
    except UnreadableImage as error:
        return error.reason


def same(one: Pixels | str, other: Pixels | str) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one.shape == other.shape and bytes(one.data) == bytes(other.data)


def check(data: bytes) -> None:
    """Hold a picture's one look against the looks of each alone; where a view fails, who looks once passes it on."""
    try:
        facts = inspect_image(data)
    except UnreadableImage as error:
        with pytest.raises(UnreadableImage, match=f"^{error.reason}$"):
            look_once(data, MAX_PIXELS, True, VIEWS)
        return
    seen = look_once(data, MAX_PIXELS, True, VIEWS)
    assert seen.facts == facts
    assert all(same(one, alone(data, view)) for one, view in zip(seen.made, VIEWS, strict=True))


@pytest.mark.parametrize("name", FORMATS)
def test_whole_and_damaged_pictures_give_each_what_it_gets_alone(name: str) -> None:
    rng = random.Random(name)
    whole = saved(scene(1), name)
    for data in (whole, saved(scene(2, 700, 560), name), *(damage(whole, rng) for damage in DAMAGES)):
        check(data)


@given(
    st.integers(1, 600),
    st.integers(1, 600),
    st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF"]),
    st.sampled_from(["RGB", "L", "CMYK", "RGBA", "P"]),
    st.integers(1, 8),
)
@settings(max_examples=40, deadline=None)
def test_any_size_mode_and_turn(width: int, height: int, kind: str, mode: str, orientation: int) -> None:
    image, out, exif = scene(3, width, height).convert(mode), io.BytesIO(), Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    try:
        image.save(out, kind, exif=exif)
    except OSError:  # a mode that the format does not have
        return
    check(out.getvalue())


@given(st.integers(1, 2000), st.integers(1, 2000), st.one_of(st.none(), st.integers(1, 400)))
@settings(max_examples=40, deadline=None)
def test_the_scale_of_a_draft_is_that_of_pillow(width: int, height: int, min_side: int | None) -> None:
    out = io.BytesIO()
    Image.new("L", (width, height)).save(out, "JPEG")
    image = Image.open(out)
    if min_side is not None:
        image.draft(None, (min_side, min_side))
    scale = draft_scale("JPEG", (height, width), min_side)
    assert image.size == (-(-width // scale), -(-height // scale))


@pytest.mark.parametrize(
    ("data", "n_decodes"),
    [
        (saved(scene(4), "PNG"), 1),
        (saved(scene(4, 900, 700), "WebP"), 1),
        (saved(scene(4, 200, 150), "JPEG"), 2),  # of which one is drafted to 32 pixels
        (saved(scene(4, 60, 50), "JPEG"), 1),
    ],
)
def test_no_picture_is_decoded_more_often_than_views_differ_in_scale(
    data: bytes, n_decodes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[object] = []
    load = decoding.load_8_bits
    monkeypatch.setattr(decoding, "load_8_bits", lambda *args: decoded.append(args) or load(*args))
    look_once(data, MAX_PIXELS, True, VIEWS)
    assert len(decoded) == n_decodes


def test_a_header_is_enough_where_no_more_is_asked_for() -> None:
    data = saved(scene(5), "JPEG")
    cut = data[: len(data) // 2]
    seen = look_once(cut, MAX_PIXELS, False, VIEWS)
    assert seen.facts == inspect_image(cut, decode=False)
    assert seen.made == ("truncated image",) * 3


class Hungry:
    """A preparation that takes more than a look may."""

    def prepare(self, image: Image.Image) -> np.ndarray:
        taken = np.ones(700 * 2**20, np.uint8)
        return np.asarray(image) * taken[0]


def test_a_view_that_takes_too_much_costs_the_facts_nothing() -> None:
    data = saved(scene(6), "PNG")
    limits = Limits(60.0, 512 * 2**20)
    view = View(None, Hungry())
    assert limits.memory_bytes < LIMITS.memory_bytes
    with Sandbox(look_once, MAX_PIXELS, True, limits=limits) as sandbox:
        [bad, good, none] = look_once_guarded(sandbox, [b"no picture", data, b""], (view,))
    assert (bad, none) == ("not an image", "empty file")
    assert isinstance(good, Seen)
    assert good.facts == vars(inspect_image(data))
    [later] = prepare_all_guarded([data], None, view.preparation)
    [now] = good.made
    assert now == later if isinstance(now, str) else bytes(now.data) == later.tobytes()
