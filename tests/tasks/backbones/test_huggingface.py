import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from windrow.tasks.backbones import Backbone, BackboneConfig, BackboneUnavailable, load_backbone

transformers = pytest.importorskip("transformers", reason="the extra 'hf' is not installed")

SaveTiny = Callable[..., Path]


def embedded(backbone: Backbone, pictures: list[Image.Image]) -> np.ndarray:
    return backbone.embed(np.stack([backbone.prepare(p) for p in pictures]))


def test_it_gives_what_the_library_itself_gives(save_tiny: SaveTiny, pictures: list[Image.Image]) -> None:
    folder = save_tiny()
    processor = transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        out = model(processor(pictures, return_tensors="pt")["pixel_values"])
    expected = {
        "pooler": out.pooler_output,
        "cls": out.last_hidden_state[:, 0],
        "mean": out.last_hidden_state[:, 1:].mean(1),
    }
    for pooling, values in expected.items():
        backbone = load_backbone(BackboneConfig(f"hf:{folder}", pooling=pooling))
        assert (backbone.dim, backbone.pooling) == (32, pooling)
        assert np.abs(embedded(backbone, pictures) - values.numpy()).max() < 1e-4
    assert load_backbone(BackboneConfig(f"hf:{folder}")).pooling == "pooler"


def test_an_earlier_layer_can_be_chosen(save_tiny: SaveTiny, pictures: list[Image.Image]) -> None:
    folder = save_tiny()
    processor = transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        hidden = model(
            processor(pictures, return_tensors="pt")["pixel_values"], output_hidden_states=True
        ).hidden_states
    backbone = load_backbone(BackboneConfig(f"hf:{folder}", layer=-2))
    assert (backbone.layer, backbone.pooling) == ("-2", "cls")
    assert np.abs(embedded(backbone, pictures) - hidden[-2][:, 0].numpy()).max() < 1e-4


def test_registers_are_not_part_of_the_mean(save_tiny: SaveTiny, pictures: list[Image.Image]) -> None:
    folder = save_tiny("Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", num_register_tokens=4)
    backbone = load_backbone(BackboneConfig(f"hf:{folder}", pooling="mean"))
    model = transformers.AutoModel.from_pretrained(folder).eval()
    gain, offset = 1 / 255 / np.array([0.2, 0.25, 0.3]), -np.array([0.5, 0.4, 0.3]) / np.array([0.2, 0.25, 0.3])
    bytes_ = np.stack([backbone.prepare(p) for p in pictures[:4]])
    floats = bytes_ * gain.reshape(3, 1, 1) + offset.reshape(3, 1, 1)
    with torch.inference_mode():
        patches = model(torch.from_numpy(floats).float()).last_hidden_state[:, 5:]
    assert np.abs(backbone.embed(bytes_) - patches.mean(1).numpy()).max() < 1e-4


@pytest.mark.parametrize("kind", ["ViT", "SiglipVision", "CLIPVision", "ConvNext", "ResNet"])
def test_other_architectures_and_other_sizes_work(kind: str, save_tiny: SaveTiny, pictures: list[Image.Image]) -> None:
    stages = {"hidden_sizes": [8, 8, 16, 24], "depths": [1, 1, 1, 1]}
    changes: dict[str, dict[str, object]] = {
        "ConvNext": stages,
        "ResNet": {**stages, "embedding_size": 8, "layer_type": "basic"},
    }
    folder = save_tiny(f"{kind}Model", f"{kind}Config", **changes.get(kind, {}))
    backbone = load_backbone(BackboneConfig(f"hf:{folder}", image_size=48, batch_size=16))
    vectors = embedded(backbone, pictures[:3])
    assert vectors.shape == (3, 24 if kind in changes else 32)
    assert np.isfinite(vectors).all()
    assert not np.allclose(vectors[0], vectors[1])


def test_a_pooler_that_is_not_in_the_file_is_not_used(save_tiny: SaveTiny) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_tiny("ViTModel", "ViTConfig")
    weights = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "pooler" not in k}, folder / "model.safetensors", {"format": "pt"})
    assert load_backbone(BackboneConfig(f"hf:{folder}")).pooling == "cls"
    with pytest.raises(BackboneUnavailable, match="no pooling 'pooler'; it has"):
        load_backbone(BackboneConfig(f"hf:{folder}", pooling="pooler"))
    save_file({k: v for k, v in weights.items() if "layer.1" not in k}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(BackboneUnavailable, match="weights are not in the file"):
        load_backbone(BackboneConfig(f"hf:{folder}"))


def test_the_version_is_the_sha256_of_config_and_weights(save_tiny: SaveTiny) -> None:
    folder = save_tiny()
    content = (folder / "config.json").read_bytes() + (folder / "model.safetensors").read_bytes()
    expected = hashlib.sha256(content).hexdigest()[:16]
    assert load_backbone(BackboneConfig(f"hf:{folder}")).version == expected
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 1e-3}))
    assert load_backbone(BackboneConfig(f"hf:{folder}")).version != expected


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_a_folder_that_lacks_a_file_says_which(missing: str, save_tiny: SaveTiny, tmp_path: Path) -> None:
    folder = shutil.copytree(save_tiny(), tmp_path / "model")
    (folder / missing).unlink()
    with pytest.raises(BackboneUnavailable, match=missing.replace("model.", r"\*\.")):
        load_backbone(BackboneConfig(f"hf:{folder}"))


def test_a_hub_out_of_reach_says_how_to_bring_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BackboneUnavailable, match="hf download nobody/nothing --local-dir DIR"):
        load_backbone(BackboneConfig("hf:nobody/nothing"))
