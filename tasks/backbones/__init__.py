"""Feature extractors: the `Backbone` protocol, one file each, and `load_backbone` to get one by its name."""

from __future__ import annotations

from pathlib import Path

from windrow.tasks.backbones.backbone import Backbone, BackboneConfig, BackboneUnavailable

__all__ = ["Backbone", "BackboneConfig", "BackboneUnavailable", "load_backbone"]


def load_backbone(config: BackboneConfig, weights: Path | None = None) -> Backbone:
    """The backbone that `config.name` names. `weights`: the fitted file of 'patches', and of no other.

    Raises BackboneUnavailable, saying what to do, when a library, a file, a GPU or the network is missing.
    """
    prefix = config.name.partition(":")[0]
    if (prefix == "patches") != (weights is not None):
        raise ValueError(f"weights belong to the backbone 'patches' and to no other, got {config.name!r} and {weights}")
    # Each file imports its library only when it is asked for: start-up is quick and the extras stay optional.
    match prefix:
        case "hf":
            from windrow.tasks.backbones import huggingface

            return huggingface.load(config)
        case "timm":
            from windrow.tasks.backbones import timm_models

            return timm_models.load(config)
        case "open_clip":
            from windrow.tasks.backbones import open_clip_models

            return open_clip_models.load(config)
        case "export" | "torchscript":
            from windrow.tasks.backbones import exported_models as exported

            return exported.load(config)
    from windrow.tasks.backbones import patches

    return patches.load(config, Path(weights or ""))
