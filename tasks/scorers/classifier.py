"""Image classifiers in Hugging Face's format, from a local folder (extra `hf`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

from windrow.tasks.backbones.backbone import BackboneConfig, BackboneUnavailable
from windrow.tasks.backbones.huggingface import quiet, saved_files
from windrow.tasks.backbones.preprocessing import from_hugging_face
from windrow.tasks.backbones.torch_backbone import TorchBackbone
from windrow.tasks.backbones.weight_files import hash_files
from windrow.tasks.scorers.scorer import ScorerConfig


class ClassifierScorer:
    """A Scorer: the probabilities of chosen classes, by softmax, or by sigmoid for a classifier of several labels.

    Its version is the start of the SHA-256 of config.json, preprocessor_config.json and the weights, in this order.
    Raises BackboneUnavailable, saying what to do, when transformers, a file or one of the classes is missing.
    """

    def __init__(self, config: ScorerConfig) -> None:
        files = _files(config)
        self.name, self.version, self.columns = config.name, hash_files(files), config.classes
        self.files = (Path(config.model).expanduser(), *files)
        settings = json.loads((Path(config.model).expanduser() / "preprocessor_config.json").read_text())
        running = BackboneConfig(
            f"hf:{config.model}", batch_size=config.batch_size, device=config.device, precision="float32"
        )
        self._model = TorchBackbone(_classifier(config), from_hugging_face(settings, None), running, self.version)
        self.min_side = self._model.min_side

    def score(self, images: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        if not images:
            return np.empty((0, len(self.columns)), np.float32)
        return self._model.embed(np.stack([self._model.prepare(image) for image in images]))


class _Probabilities(nn.Module):
    def __init__(self, model: nn.Module, classes: list[int], one_of_many: bool) -> None:
        super().__init__()
        self.model, self.classes, self.one_of_many = model, classes, one_of_many

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(pixels).logits
        return (logits.softmax(1) if self.one_of_many else logits.sigmoid())[:, self.classes]


def _files(config: ScorerConfig) -> list[Path]:
    folder = Path(config.model).expanduser()
    if not folder.is_dir():
        raise BackboneUnavailable(f"model of {config.name!r}: there is no folder {folder}")
    return saved_files(folder)


def _classifier(config: ScorerConfig) -> _Probabilities:
    try:
        from transformers import AutoModelForImageClassification
    except ImportError as error:
        raise BackboneUnavailable(
            f"the scorer {config.name!r} needs transformers: pip install 'windrow[hf]'"
        ) from error
    with quiet():
        try:
            model, info = AutoModelForImageClassification.from_pretrained(
                Path(config.model).expanduser(),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                dtype=torch.float32,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise BackboneUnavailable(f"{config.model}: {error}") from error
    # A model without its classifier would be given one at random, and score all the same.
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        raise BackboneUnavailable(f"{config.model}: {len(missing)} weights are not in the file, e.g. {missing[0]}")
    several = model.config.problem_type == "multi_label_classification"
    indices = _indices(config, model.config.id2label)
    return _Probabilities(model.eval().requires_grad_(False), indices, one_of_many=not several)


def _indices(config: ScorerConfig, names: dict[int, str]) -> list[int]:
    index_of = {name: index for index, name in sorted(names.items(), reverse=True)}
    unknown = [name for name in config.classes if name not in index_of]
    if unknown:
        known = ", ".join(list(names.values())[:10])
        raise BackboneUnavailable(f"{config.model} has no class {unknown[0]!r}; it has {len(names)}: {known}, ...")
    return [index_of[name] for name in config.classes]
