from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_clip import save_tiny_clip

from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.labels.makers.zero_shot import ZeroShot
from windrow.tasks.algorithms.labels.text_names import names_of
from windrow.tasks.backbones import BackboneConfig, BackboneUnavailable, load_backbone
from windrow.tasks.labels.class_texts import class_texts

transformers = pytest.importorskip("transformers", reason="the extra 'hf' is not installed")


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


def clips_own(folder: Path, sentences: list[str], batch: np.ndarray) -> np.ndarray:
    model = transformers.CLIPModel.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(sentences, padding=True, return_tensors="pt")
    pixels = (torch.from_numpy(batch).float() / 255 - 0.5) / 0.5
    with torch.inference_mode():
        return model(pixel_values=pixels, **tokens).logits_per_image.softmax(dim=1).numpy()


def test_pictures_embedded_by_a_backbone_are_named_by_its_texts_as_clip_does_it(tiny_clip: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(6)]
    config = BackboneConfig(f"hf:{tiny_clip}", precision="float32")
    backbone = load_backbone(config)
    batch = np.stack([backbone.prepare(picture) for picture in pictures])
    pool = backbone.embed(batch)
    own = ZeroShot(class_names={"1": "dog", "0": "cat"}, templates=("a {}.",))
    texts = class_texts(config, names_of(own.class_names, ["0", "1", "owl"]), own.templates)
    make = own.fit(LabelPool(pool, 3, texts=texts))
    theirs = clips_own(tiny_clip, ["a cat.", "a dog.", "a owl."], batch)
    labels = np.full(6, -1, np.int64)
    np.testing.assert_allclose(make(labels, np.arange(6)), theirs, atol=1e-4)
    np.testing.assert_allclose(make(labels, np.array([4, 1])), theirs[[4, 1]], atol=1e-4)


def test_more_templates_and_other_names_are_other_texts(tiny_clip: Path) -> None:
    config = BackboneConfig(f"hf:{tiny_clip}")
    templates = ("a photo of a {}.",)
    plain = class_texts(config, {"cat": "cat", "dog": "dog"}, templates)
    assert plain.prototypes.shape == (2, 16)
    two = class_texts(config, {"cat": "cat", "dog": "dog"}, (*templates, "my {}!"))
    renamed = class_texts(config, {"cat": "owl", "dog": "dog"}, templates)
    assert np.abs(two.prototypes - plain.prototypes).max() > 1e-3
    assert np.abs(renamed.prototypes[0] - plain.prototypes[0]).max() > 1e-3
    np.testing.assert_allclose(renamed.prototypes[1], plain.prototypes[1], atol=1e-6)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (BackboneConfig(), "features.name: zero_shot wants a model with texts, hf: or open_clip:, got 'auto'"),
        (BackboneConfig("timm:vit"), "got 'timm:vit'"),
        (BackboneConfig("hf:x", layer=2), "layer -1 and pooling 'auto', got layer 2 and pooling 'auto'"),
        (BackboneConfig("hf:x", pooling="mean"), "got layer -1 and pooling 'mean'"),
    ],
)
def test_a_backbone_without_texts_is_refused_by_name(backbone: BackboneConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        class_texts(backbone, {"cat": "cat"}, ("a {}.",))


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackboneUnavailable, match=r"no folder with config\.json"):
        class_texts(BackboneConfig(f"hf:{tmp_path / 'nowhere'}"), {"cat": "cat"}, ("a {}.",))
