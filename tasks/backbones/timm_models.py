"""Image models of the timm library (extra `timm`), with the preprocessing that each was trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from torch import nn

from windrow.tasks.backbones.backbone import BackboneConfig, BackboneUnavailable
from windrow.tasks.backbones.preprocessing import Preprocessing
from windrow.tasks.backbones.torch_backbone import TorchBackbone, hash_tensors
from windrow.tasks.backbones.weight_files import hub_files


class Timm(TorchBackbone):
    """The backbone 'timm:NAME' or 'timm:local-dir:FOLDER', pretrained, without its classifier.

    Its version is the SHA-256 of its tensors.
    Pictures are prepared as timm prepares them, but for a centre crop with an odd margin: ours is rounded down, as
    Hugging Face does, and torchvision's to even, so the two may lie a pixel apart.
    """

    def __init__(self, config: BackboneConfig) -> None:
        try:
            import timm
            from timm.data import resolve_model_data_config
        except (ImportError, RuntimeError) as error:  # a torchvision for another PyTorch raises RuntimeError
            raise BackboneUnavailable(f"{config.name} needs timm: pip install 'windrow[timm]' ({error})") from error
        size = {} if config.image_size is None else {"img_size": config.image_size}
        try:
            model = _created(timm, config.name.removeprefix("timm:"), size)
        except Exception as error:  # unknown names, an unreachable Hub and damaged downloads each raise their own
            text = f"{config.name}: timm cannot load it ({type(error).__name__}: {error})"
            raise BackboneUnavailable(text) from error
        model.eval().requires_grad_(False)
        preprocess = _preprocessing(resolve_model_data_config(model), config.image_size)
        super().__init__(model, preprocess, config, hash_tensors(model), files=_files(config.name))


def _files(name: str) -> tuple[Path, ...]:
    _, is_local, folder = name.partition("local-dir:")
    return (Path(folder), *sorted(Path(folder).iterdir())) if is_local else hub_files()


def _created(timm: Any, name: str, size: dict[str, int]) -> nn.Module:
    try:
        return timm.create_model(name, pretrained=True, num_classes=0, **size)  # type: ignore[no-any-return]
    except TypeError:  # convolutional models take any size and have no such argument
        return timm.create_model(name, pretrained=True, num_classes=0)  # type: ignore[no-any-return]


def _preprocessing(data: dict[str, Any], image_size: int | None) -> Preprocessing:
    _, height, width = data["input_size"]
    resample = Image.Resampling[str(data["interpolation"]).upper()]
    mean, std = tuple(data["mean"]), tuple(data["std"])
    if image_size is not None:
        return Preprocessing(image_size, (image_size, image_size), Image.Resampling.BICUBIC, 1 / 255, mean, std)
    short = int(min(height, width) / data["crop_pct"])
    resize = (height, width) if data.get("crop_mode") == "squash" else short
    return Preprocessing(resize, (height, width), resample, 1 / 255, mean, std)
