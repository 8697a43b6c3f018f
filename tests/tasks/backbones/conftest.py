import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

SETTINGS = {
    "do_resize": True,
    "size": {"shortest_edge": 36},
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32},
    "resample": 3,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.25, 0.3],
    "image_processor_type": "CLIPImageProcessor",
}


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    """Sixty blurred noise pictures of different shapes: not all alike, and not all edges."""
    random = np.random.default_rng(0)
    sizes = [(int(w), int(h)) for w, h in random.integers(20, 90, (60, 2))]
    noise = [Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8)) for _ in sizes]
    return [small.resize(size, Image.Resampling.BICUBIC) for small, size in zip(noise, sizes, strict=True)]


@pytest.fixture(scope="session")
def save_tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Saves a small model with random weights as users do: save_pretrained(), with the preprocessor's settings."""

    def save(model_class: str = "Dinov2Model", config_class: str = "Dinov2Config", **changes: object) -> Path:
        transformers = pytest.importorskip("transformers", reason="the extra 'hf' is not installed")
        shape: dict[str, object] = {"image_size": 32}
        if "hidden_sizes" not in changes:  # a transformer
            shape |= {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
            shape |= {"patch_size": 8}
        torch.manual_seed(0)
        folder = tmp_path_factory.mktemp(model_class)
        config = getattr(transformers, config_class)(**{**shape, **changes})
        getattr(transformers, model_class)(config).save_pretrained(folder)
        (folder / "preprocessor_config.json").write_text(json.dumps(SETTINGS))
        return folder

    return save


SHARED = Path(__file__).parents[4] / "shared"


@pytest.fixture(scope="session")
def shared_mobilenet() -> Path:
    folder = SHARED / "models" / "mobilenet_v2_1.0_224"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


@pytest.fixture(scope="session")
def photo_bytes() -> Callable[[int], list[bytes]]:
    files = sorted((SHARED / "data" / "photos").glob("*.JPEG"))
    if not files:
        pytest.skip(f"{SHARED / 'data' / 'photos'} is not there")
    return lambda n: [file.read_bytes() for file in files[:n]]
