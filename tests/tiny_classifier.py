"""A small image classifier with random weights, saved as users do."""

import json
from pathlib import Path
from typing import Any

import pytest

PREPROCESSOR = {
    "do_resize": True,
    "size": {"height": 32, "width": 32},
    "resample": 3,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.25, 0.3],
    "image_processor_type": "ViTImageProcessor",
}


def save_classifier(folder: Path, **changes: Any) -> Path:
    """Save a ViT of three classes, `bird`, `face` and `person`, with save_pretrained(); returns its folder."""
    transformers = pytest.importorskip("transformers", reason="the extra 'hf' is not installed")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    names = {0: "bird", 1: "face", 2: "person"}
    labels = {"id2label": names, "label2id": {name: index for index, name in names.items()}}
    config = transformers.ViTConfig(image_size=32, patch_size=8, initializer_range=0.2, **shape, **labels, **changes)
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return folder
