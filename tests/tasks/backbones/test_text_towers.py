import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_clip import save_tiny_clip, tiny_tokenizer

from windrow.tasks.algorithms.labels.cores.text_similarity import class_prototypes, zero_shot
from windrow.tasks.backbones import BackboneConfig, BackboneUnavailable, load_backbone
from windrow.tasks.backbones.text_towers import text_prototypes

transformers = pytest.importorskip("transformers", reason="the extra 'hf' is not installed")

NAMES = ["cat", "dog", "old cat"]
TEMPLATES = ["a {}.", "the {}!", "{}"]


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


def test_each_text_is_what_the_library_makes_of_it_alone(tiny_clip: Path) -> None:
    found = text_prototypes(f"hf:{tiny_clip}", NAMES, TEMPLATES)
    assert (found.texts.shape, found.texts.dtype) == ((3, 3, 16), np.float32)
    model = transformers.CLIPModel.from_pretrained(tiny_clip).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_clip)
    for i, name in enumerate(NAMES):
        for j, template in enumerate(TEMPLATES):
            with torch.inference_mode():
                alone = model.get_text_features(**tokenizer([template.format(name)], return_tensors="pt"))
            np.testing.assert_allclose(found.texts[i, j], alone.pooler_output[0].numpy(), atol=1e-5)
    assert np.abs(found.texts[0] - found.texts[1]).max() > 1e-3


def test_pool_embeddings_and_texts_give_clips_own_probabilities(tiny_clip: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(4)]
    backbone = load_backbone(BackboneConfig(f"hf:{tiny_clip}", precision="float32"))
    batch = np.stack([backbone.prepare(picture) for picture in pictures])
    found = text_prototypes(f"hf:{tiny_clip}", NAMES, ["{}"])
    assert found.image_projection is not None
    images = backbone.embed(batch) @ found.image_projection
    ours = zero_shot(images, class_prototypes(found.texts), found.scale)
    model = transformers.CLIPModel.from_pretrained(tiny_clip).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(tiny_clip)(NAMES, padding=True, return_tensors="pt")
    pixels = (torch.from_numpy(batch).float() / 255 - 0.5) / 0.5
    with torch.inference_mode():
        theirs = model(pixel_values=pixels, **tokens).logits_per_image.softmax(dim=1)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4)
    assert found.scale == pytest.approx(float(model.logit_scale.detach().exp()))


def test_a_folder_that_lacks_something_says_what(tiny_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(BackboneUnavailable, match=r"no folder with config\.json"):
        text_prototypes(f"hf:{tmp_path / 'nowhere'}", NAMES)
    pickled = shutil.copytree(tiny_clip, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(BackboneUnavailable, match=r"\*\.safetensors"):
        text_prototypes(f"hf:{pickled}", NAMES)
    silent = shutil.copytree(tiny_clip, tmp_path / "silent")
    for file in ("tokenizer.json", "vocab.json"):
        (silent / file).unlink(missing_ok=True)
    with pytest.raises(BackboneUnavailable, match="no tokenizer in the folder"):
        text_prototypes(f"hf:{silent}", NAMES)
    torch.manual_seed(0)
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    model = transformers.ViTModel(transformers.ViTConfig(**shape, image_size=16, patch_size=8))
    model.save_pretrained(tmp_path / "vit")
    tiny_tokenizer().save_pretrained(tmp_path / "vit")
    with pytest.raises(BackboneUnavailable, match="a ViTModel has no text side"):
        text_prototypes(f"hf:{tmp_path / 'vit'}", NAMES)


def test_weights_that_are_missing_are_not_made_up(tiny_clip: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(tiny_clip, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(BackboneUnavailable, match=r"1 weights are not in the file, e.g. text_projection.weight"):
        text_prototypes(f"hf:{broken}", NAMES)


@pytest.mark.parametrize(("name", "package"), [("hf", "transformers"), ("open_clip", "open_clip")])
def test_a_library_that_is_not_there_is_named_on_one_line(
    name: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    file = tmp_path / "weights.safetensors"
    file.touch()
    with pytest.raises(BackboneUnavailable, match=f"needs {package}: pip install") as raised:
        text_prototypes(f"{name}:{tmp_path}" if name == "hf" else f"open_clip:ViT-B-32/{file}", NAMES)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("file", ["openai", "/nowhere/weights.safetensors", "/etc/passwd"])
def test_open_clip_reads_safetensors_that_are_there_and_nothing_else(file: str) -> None:
    with pytest.raises(BackboneUnavailable, match=r"FILE.safetensors', a file that is there"):
        text_prototypes(f"open_clip:ViT-B-32/{file}", NAMES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("timm:x", NAMES), "name must be 'hf:FOLDER' or"),
        (("hf:", NAMES), "name must be 'hf:FOLDER' or"),
        (("hf:x", []), "class_names and templates must not be empty, got 0 and 1"),
        (("hf:x", NAMES, ["a photo"]), "templates must each hold one {}, got 'a photo'"),
    ],
)
def test_a_bad_call_names_the_argument(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        text_prototypes(*arguments)  # type: ignore[arg-type]
