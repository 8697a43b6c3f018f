"""Feature extractors: the `Backbone` protocol, one file each, and `load_backbone` to get one by its name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, cast

from windrow.tasks.backbones.backbone import AUTO, BACKBONES, Backbone, BackboneConfig, BackboneUnavailable

__all__ = ["BACKBONES", "Backbone", "BackboneConfig", "BackboneUnavailable", "backbone_class", "load_backbone"]


def load_backbone(config: BackboneConfig, weights: Path | None = None) -> Backbone:
    """The backbone that `config.name` names. `weights`: the fitted file of one that is fitted, and of no other.

    Raises BackboneUnavailable, saying what to do, when a library, a file, a GPU or the network is missing, and
    ValueError when a class of the user's own is missing or does not fit, or for 'auto'.
    """
    if config.name == AUTO:
        raise ValueError(
            f"name: {AUTO!r} is for a pool to decide; a backbone alone wants one of {', '.join(BACKBONES)}"
        )
    if config.is_fitted != (weights is not None):
        raise ValueError(f"weights belong to a backbone that is fitted, got {config.name!r} and {weights}")
    kind = backbone_class(config)
    return cast(Backbone, kind(config, weights) if config.is_fitted else kind(config))


def backbone_class(config: BackboneConfig) -> Any:
    """The class in BACKBONES for `config.name`."""
    # Each file imports its library only when it is asked for: start-up is quick and the extras stay optional.
    module, name = BACKBONES[config.kind].split(":")
    return getattr(import_module(module), name)
