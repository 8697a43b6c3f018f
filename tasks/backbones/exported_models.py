"""Models saved as programs: `torch.export` archives and TorchScript files.

Both run as code when they are loaded, so they are opened only when the user names the file in the configuration. How
pictures are prepared is read from a preprocessor_config.json, in Hugging Face's format, beside the file.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch
from torch import nn

from windrow.tasks.backbones.backbone import BackboneConfig, BackboneUnavailable
from windrow.tasks.backbones.preprocessing import from_hugging_face
from windrow.tasks.backbones.torch_backbone import TorchBackbone, Vector
from windrow.tasks.backbones.weight_files import hash_files


class Exported(TorchBackbone):
    """The backbone 'export:FILE.pt2' or 'torchscript:FILE.pt'; its version is the file's SHA-256.

    The program takes (n, 3, height, width) floats, for n = `batch_size`, and returns (n, dim), a map or tokens (these
    are averaged), or a mapping with 'pooler_output' or 'last_hidden_state'.
    """

    def __init__(self, config: BackboneConfig) -> None:
        kind, _, name = config.name.partition(":")
        file = Path(name).expanduser()
        settings = file.with_name("preprocessor_config.json")
        for needed in (file, settings):
            if not needed.is_file():
                raise BackboneUnavailable(f"{config.name}: there is no file {needed}")
        try:
            program = _program(kind, file)
        except Exception as error:  # damaged archives raise whatever their reader meets first
            raise BackboneUnavailable(f"{config.name}: PyTorch cannot load {file}: {error}") from error
        preprocess = from_hugging_face(json.loads(settings.read_text()), config.image_size)
        try:
            super().__init__(Vector(program), preprocess, config, hash_files([file]), files=(file, settings))
        except (RuntimeError, AssertionError) as error:  # an exported program asserts its shapes
            size = f"batch_size {config.batch_size}, preprocessing {preprocess}"
            raise BackboneUnavailable(f"{config.name}: it does not run at {size}: {error}") from error


def _program(kind: str, file: Path) -> nn.Module:
    with warnings.catch_warnings():  # both readers warn about PyTorch's own past; the files that people have stay
        warnings.simplefilter("ignore")
        if kind == "export":
            return torch.export.load(file).module()
        return torch.jit.load(str(file), map_location="cpu").eval()  # type: ignore[no-any-return, no-untyped-call]
