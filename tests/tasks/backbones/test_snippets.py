"""A picture's snippets, embedded: each as it would be alone, in a fixed order, whoever decodes it."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from windrow.tasks.backbones import Backbone, BackboneConfig, load_backbone
from windrow.tasks.backbones.extract import embed_images
from windrow.tasks.backbones.snippets import SnippetBackbone, cut


@pytest.fixture(scope="module")
def whole() -> Backbone:
    return load_backbone(BackboneConfig("lite0", image_size=32, batch_size=8))


def picture(seed: int, side: int = 97) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side - 30, 3), np.uint8))


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(2, 5))
def test_snippets_cover_a_picture_once_where_it_has_a_pixel_for_each(width: int, height: int, grid: int) -> None:
    pixels = np.arange(width * height, dtype=np.int32).reshape(height, width)
    snippets = [np.asarray(each) for each in cut(Image.fromarray(pixels), grid)]
    assert len(snippets) == grid * grid
    assert all(each.size for each in snippets)
    seen = np.concatenate([each.ravel() for each in snippets])
    assert set(seen.tolist()) == set(range(width * height))
    if min(width, height) >= grid:
        assert len(seen) == width * height
        assert snippets[0][0, 0] == 0
        assert snippets[-1][-1, -1] == width * height - 1


def test_each_snippet_has_the_vector_that_it_has_as_a_picture_of_its_own(whole: Backbone) -> None:
    images = [picture(seed) for seed in range(5)]
    parts = [[np.array(snippet) for snippet in cut(image, 2)] for image in images]
    samples = [(str(number), png(image)) for number, image in enumerate(images)]
    (batch, *others) = embed_images(SnippetBackbone(whole, 2), samples)
    assert batch.embeddings.shape == (2, 4 * whole.dim)  # eight go through the model at once: two pictures' snippets
    found = np.concatenate([each.embeddings for each in (batch, *others)]).reshape(20, -1)
    alone = [(f"{at}", png(Image.fromarray(each))) for at, each in enumerate(part for of in parts for part in of)]
    expected = np.concatenate([each.embeddings for each in embed_images(whole, alone)])
    np.testing.assert_array_equal(found, expected)


def test_they_are_prepared_in_this_process_as_in_another(whole: Backbone) -> None:
    snippets = SnippetBackbone(whole, 3)
    assert snippets.preparation is not None
    here = snippets.preparation.prepare(picture(1))
    np.testing.assert_array_equal(snippets.prepare(picture(1)), here)
    good, bad = embed_images(snippets, [("one", png(picture(1))), ("none", b"no picture")])
    np.testing.assert_array_equal(good.embeddings, snippets.embed(here[None]).astype(np.float16))
    assert good.errors == [None]
    assert bad.errors != [None]
