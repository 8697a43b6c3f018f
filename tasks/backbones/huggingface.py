"""Image models in Hugging Face's format, from a folder or from the Hub (extra `hf`).

A folder is read without any network call. Only safetensors weights are loaded: other formats can carry code.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from windrow.tasks.backbones.backbone import BackboneConfig, BackboneUnavailable
from windrow.tasks.backbones.preprocessing import from_hugging_face
from windrow.tasks.backbones.torch_backbone import TorchBackbone
from windrow.tasks.backbones.weight_files import hash_files, hub_files


class HuggingFace(TorchBackbone):
    """The backbone 'hf:FOLDER' or 'hf:HUB/ID'.

    Its version is the SHA-256 of config.json and the weights: `cat config.json model.safetensors | sha256sum`.
    """

    def __init__(self, config: BackboneConfig) -> None:
        try:
            import transformers  # noqa: F401
        except ImportError as error:
            raise BackboneUnavailable(f"{config.name} needs transformers: pip install 'windrow[hf]'") from error
        name = config.name.removeprefix("hf:")
        folder = _folder(name)
        config_file, settings_file, *weights = saved_files(folder)
        preprocess = from_hugging_face(json.loads(settings_file.read_text()), config.image_size)
        model, pooling = _pooled_model(folder, config)
        version = hash_files([config_file, *weights])
        files = [folder, config_file, settings_file, *weights]
        if not Path(name).expanduser().is_dir():
            files += hub_files(name)
        super().__init__(model, preprocess, config, version, pooling, files)


def saved_files(folder: Path) -> list[Path]:
    """config.json, preprocessor_config.json and the weights. Raises BackboneUnavailable when one is missing."""
    weights = sorted(folder.glob("*.safetensors"))
    for file, found in (("config.json", (folder / "config.json").is_file()), ("*.safetensors", bool(weights))):
        if not found:
            raise BackboneUnavailable(f"{folder} has no {file}: it is not a model saved with save_pretrained()")
    settings_file = folder / "preprocessor_config.json"
    if not settings_file.is_file():
        raise BackboneUnavailable(f"{folder} has no preprocessor_config.json, which says how pictures are prepared")
    return [folder / "config.json", settings_file, *weights]


class Pooled(nn.Module):
    """A vision model cut down to one vector a picture."""

    def __init__(self, model: nn.Module, layer: int, pooling: str) -> None:
        super().__init__()
        self.model, self.layer, self.pooling = model, layer, pooling
        # The mean is of picture patches: neither of the class token nor of DINOv2's and DINOv3's registers.
        self.n_special = has_class_token(model) + int(getattr(model.config, "num_register_tokens", 0))
        # Models that know one size only (ViT, CLIP) interpolate their positions when told to; the others always do.
        takes = inspect.signature(model.forward).parameters
        self.options = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in takes else {}

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        out = self.model(pixels, output_hidden_states=self.layer != -1, **self.options)
        if self.pooling == "pooler":
            return torch.flatten(out.pooler_output, 1)
        hidden: torch.Tensor = out.last_hidden_state if self.layer == -1 else out.hidden_states[self.layer]
        if hidden.ndim == 4:  # a convolutional map: (n, channels, height, width)
            return hidden.mean((2, 3))
        return hidden[:, 0] if self.pooling == "cls" else hidden[:, self.n_special :].mean(1)


def has_class_token(model: nn.Module) -> bool:
    """Whether the first token of the output stands for the whole picture."""
    return any(name.endswith(("cls_token", "class_embedding")) for name, _ in model.named_parameters())


def _folder(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or name.startswith(".") or name.count("/") != 1:
        raise BackboneUnavailable(f"hf:{name}: no such folder")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors"]))
    except Exception as error:  # the Hub client raises its own, requests', httpx's and the system's errors
        raise BackboneUnavailable(
            f"hf:{name}: no such folder, and the Hub did not give it ({type(error).__name__}). Where there is network, "
            f"run `hf download {name} --local-dir DIR`, bring DIR here and use 'hf:DIR'"
        ) from error


def _pooled_model(folder: Path, config: BackboneConfig) -> tuple[Pooled, str]:
    with quiet():
        from transformers import AutoModel

        try:
            model, info = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True, dtype=torch.float32
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise BackboneUnavailable(f"{config.name}: {error}") from error
    model = getattr(model, "vision_model", model).eval().requires_grad_(False)
    # Weights absent from the file start at random. A missing pooler is common (it is not used); more is a broken model.
    missing = [k for k in info["missing_keys"] if "pooler" not in k and not k.startswith("text_model")]
    if missing:
        raise BackboneUnavailable(f"{config.name}: {len(missing)} weights are not in the file, e.g. {missing[0]}")
    has_pooler = config.layer == -1 and not any("pooler" in k for k in info["missing_keys"])
    pooling = _pooling(model, config, has_pooler)
    return Pooled(model, config.layer, pooling), pooling


@torch.inference_mode()
def _pooling(model: nn.Module, config: BackboneConfig, has_pooler: bool) -> str:
    side = _input_side(getattr(model, "config", None))
    out = model(torch.zeros(1, 3, side, side))
    available = {"mean"}
    if has_pooler and getattr(out, "pooler_output", None) is not None:
        available.add("pooler")
    if has_class_token(model):
        available.add("cls")
    if config.pooling == "auto":
        return next(p for p in ("pooler", "cls", "mean") if p in available)
    if config.pooling not in available:
        raise BackboneUnavailable(f"{config.name} has no pooling {config.pooling!r}; it has {sorted(available)}")
    return config.pooling


def _input_side(config: Any) -> int:
    size = getattr(config, "image_size", 224)
    return size if isinstance(size, int) else int(size[0])


@contextmanager
def quiet() -> Iterator[None]:
    """Without progress bars and without the report on weights that are not wanted."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
