import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from windrow.tasks.backbones.backbone import BackboneUnavailable
from windrow.tasks.backbones.preprocessing import Preprocessing, from_hugging_face

CLIP = {
    "size": {"shortest_edge": 36},
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 30},
    "resample": 3,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.25, 0.3],
}
VIT = {"size": {"height": 24, "width": 32}, "resample": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
CONVNEXT = {
    "size": {"shortest_edge": 64},
    "crop_pct": 0.875,
    "resample": 3,
    "image_mean": [0.5] * 3,
    "image_std": [1.0] * 3,
}


def test_two_by_two_pixels_are_normalised_as_worked_out_by_hand() -> None:
    preprocess = Preprocessing((2, 2), None, mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 1.0))
    image = Image.fromarray(np.array([[[0, 255, 51], [255, 0, 51]]] * 2, dtype=np.uint8))
    gain, offset = preprocess.affine()
    floats = preprocess.prepare(image) * gain + offset
    assert np.allclose(floats[:, 0, :], [[-1, 1], [2, -2], [-0.3, -0.3]], atol=1e-6)


@pytest.mark.parametrize(
    ("processor", "config"),
    [("CLIPImageProcessor", CLIP), ("ViTImageProcessor", VIT), ("ConvNextImageProcessor", CONVNEXT)],
)
def test_it_agrees_with_hugging_faces_own_processor(
    processor: str, config: dict[str, object], pictures: list[Image.Image], tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra 'hf' is not installed")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**config, "image_processor_type": processor}))
    theirs = transformers.AutoImageProcessor.from_pretrained(tmp_path, use_fast=False)
    ours = from_hugging_face(config, None)
    gain, offset = ours.affine()
    for picture in pictures[:20]:
        expected = theirs(picture, return_tensors="np")["pixel_values"][0]
        assert np.abs(ours.prepare(picture) * gain + offset - expected).max() < 1e-5


def test_an_image_size_replaces_the_geometry_and_keeps_the_colours() -> None:
    preprocess = from_hugging_face(CLIP, 96)
    assert (preprocess.resize, preprocess.crop) == (96, (96, 96))
    assert preprocess.resample == Image.Resampling.BICUBIC
    assert preprocess.mean == (0.5, 0.4, 0.3)
    assert preprocess.prepare(Image.new("RGB", (300, 100))).shape == (3, 96, 96)


@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from([CLIP, VIT, CONVNEXT]))
@settings(max_examples=50, deadline=None)
def test_every_picture_comes_out_in_one_shape(width: int, height: int, config: dict[str, object]) -> None:
    preprocess = from_hugging_face(config, None)
    shape = preprocess.prepare(Image.new("RGB", (40, 40))).shape
    assert preprocess.prepare(Image.new("RGB", (width, height))).shape == shape


def test_a_step_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(BackboneUnavailable, match="do_flip_channel_order"):
        from_hugging_face({**CLIP, "do_flip_channel_order": True}, None)
    with pytest.raises(BackboneUnavailable, match="set image_size"):
        from_hugging_face({"size": {"shortest_edge": 36}, "do_center_crop": False}, None)


def test_the_recipe_tells_settings_apart() -> None:
    recipes = {str(from_hugging_face(c, s)) for c in (CLIP, VIT, CONVNEXT) for s in (None, 64, 96)}
    assert len(recipes) == 9
    with pytest.raises(ValueError, match="different shapes"):
        Preprocessing(32, None)
