"""The image side of CLIP models of the open_clip library (extra `open-clip`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from torch import nn

from windrow.tasks.backbones.backbone import BackboneConfig, BackboneUnavailable
from windrow.tasks.backbones.preprocessing import Preprocessing
from windrow.tasks.backbones.torch_backbone import TorchBackbone, Vector, hash_tensors
from windrow.tasks.backbones.weight_files import hub_files


class OpenClip(TorchBackbone):
    """The backbone 'open_clip:NAME/PRETRAINED': the projected image embedding, not normalised.

    PRETRAINED is one of open_clip's tags, or a file of weights. The version is the SHA-256 of the tower's tensors.
    """

    def __init__(self, config: BackboneConfig) -> None:
        name, _, pretrained = config.name.removeprefix("open_clip:").partition("/")
        if not pretrained:
            text = f"{config.name}: write 'open_clip:NAME/PRETRAINED', as in 'open_clip:ViT-B-32/openai'"
            raise BackboneUnavailable(text)
        try:
            import open_clip
        except (ImportError, RuntimeError) as error:  # a torchvision for another PyTorch raises RuntimeError
            text = f"{config.name} needs open_clip: pip install 'windrow[open-clip]' ({error})"
            raise BackboneUnavailable(text) from error
        try:
            # open_clip reads weights with weights_only unless told otherwise.
            model: Any = open_clip.create_model(name, pretrained=pretrained, force_image_size=config.image_size)
        except Exception as error:  # unknown names, an unreachable Hub and damaged downloads each raise their own
            text = f"{config.name}: open_clip cannot load it ({type(error).__name__}: {error})"
            raise BackboneUnavailable(text) from error
        tower: nn.Module = model.visual.eval().requires_grad_(False)
        files = (Path(pretrained),) if Path(pretrained).is_file() else hub_files()
        super().__init__(Vector(tower), _preprocessing(tower), config, hash_tensors(tower), files=files)


def _preprocessing(tower: Any) -> Preprocessing:
    settings = tower.preprocess_cfg
    size = settings["size"]
    height, width = (size, size) if isinstance(size, int) else size
    resample = Image.Resampling[str(settings.get("interpolation", "bicubic")).upper()]
    mode = settings.get("resize_mode", "shortest")
    if mode not in ("shortest", "squash"):
        raise BackboneUnavailable(f"open_clip's resize mode {mode!r} is not known here")
    resize = (height, width) if mode == "squash" else min(height, width)
    return Preprocessing(resize, (height, width), resample, 1 / 255, tuple(settings["mean"]), tuple(settings["std"]))
