"""Running a PyTorch model as a Backbone: device, precision, memory layout, and batches of one size."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from windrow.tasks.backbones.backbone import BackboneConfig, BackboneUnavailable
from windrow.tasks.backbones.preprocessing import Preprocessing

FOLD_TOLERANCE = 1e-4
"""Largest difference that folding may make, relative to the largest number in the output: float32 rounding."""


class TorchBackbone:
    """A Backbone from `model`: (n, 3, height, width) floats → (n, dim) or any shape whose other axes are averaged."""

    def __init__(
        self,
        model: nn.Module,
        preprocess: Preprocessing,
        config: BackboneConfig,
        version: str,
        pooling: str = "model",
        files: Sequence[Path] = (),
    ) -> None:
        self.name, self.version, self.batch_size = config.name, version, config.batch_size
        self.layer, self.pooling, self.files = str(config.layer), pooling, tuple(files)
        self.preprocessing, self.min_side = str(preprocess), preprocess.min_side
        self.device = chosen_device(config.device)
        self.precision = chosen_precision(config.precision, self.device)
        self.preparation = preprocess
        gain, offset = preprocess.affine()
        self._gain, self._offset = (torch.from_numpy(a).to(self.device) for a in (gain, offset))
        shape = self.prepare(Image.new("RGB", (self.min_side, self.min_side))).shape
        # Batch norm costs as much memory traffic as its convolution; with channels_last this is about 2x on a CPU.
        # Checked before moving to a GPU, whose TF32 rounds more than folding does.
        self._model = folded(model, torch.zeros(1, *shape)).to(self.device)
        self.dim = int(self._forward(np.zeros((self.batch_size, *shape), dtype=np.uint8)).shape[1])

    def prepare(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        return self.preparation.prepare(image)

    def embed(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        if batch.ndim != 4 or batch.dtype != np.uint8:
            raise ValueError(f"batch must be uint8 (n, channels, height, width), got {batch.dtype} {batch.shape}")
        blocks = [self._embed_block(batch[at : at + self.batch_size]) for at in range(0, len(batch), self.batch_size)]
        return np.concatenate(blocks) if blocks else np.zeros((0, self.dim), dtype=np.float32)

    def _embed_block(self, block: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        # PyTorch picks its kernels by shape, and they round differently: always the same shape, always the same bits.
        missing = self.batch_size - len(block)
        full = np.concatenate([block, np.zeros((missing, *block.shape[1:]), dtype=np.uint8)]) if missing else block
        return self._forward(full)[: len(block)]

    @torch.inference_mode()
    def _forward(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            out: torch.Tensor = self._model(self._floats(batch))
        return out.float().cpu().numpy()

    def _floats(self, batch: npt.NDArray[np.uint8]) -> torch.Tensor:
        pixels = torch.from_numpy(batch).to(self.device, non_blocking=True)
        return (pixels.float() * self._gain + self._offset).contiguous(memory_format=torch.channels_last)


class Vector(nn.Module):
    """A model's output as one vector a picture: of a tuple the first, maps and tokens averaged."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        out = self.model(pixels)
        if isinstance(out, Mapping):
            out = out["pooler_output"] if out.get("pooler_output") is not None else out["last_hidden_state"]
        out = out[0] if isinstance(out, tuple) else out
        if out.ndim == 4:
            return out.mean((2, 3))  # type: ignore[no-any-return]
        return out.mean(1) if out.ndim == 3 else out  # type: ignore[no-any-return]


def chosen_device(device: str) -> torch.device:
    """'auto' is CUDA where there is one. Raises BackboneUnavailable for a device that this machine lacks."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BackboneUnavailable(f"device {device!r}: PyTorch sees no GPU here; use device 'auto' or 'cpu'")
    return torch.device(device)


def chosen_precision(precision: str, device: torch.device) -> str:
    """'auto' is bfloat16 on a GPU; on a CPU it is float32, where bfloat16 is slower without AMX."""
    return precision if precision != "auto" else "bfloat16" if device.type == "cuda" else "float32"


def folded(model: nn.Module, example: torch.Tensor) -> nn.Module:
    """A copy of `model`, channels_last, with each batch norm folded into the convolution registered just before it.

    Registration order is no proof of what feeds what, so both see noise in `example`'s shape; where they disagree by
    more than FOLD_TOLERANCE, or where there is nothing to fold, `model` itself is returned.
    """
    if not any(_foldable_pairs(parent) for parent in model.modules()):
        return model
    fast = copy.deepcopy(model)
    fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for parent in list(fast.modules()):
        for name, convolution, next_name, norm in _foldable_pairs(parent):
            setattr(parent, name, fuse_conv_bn_eval(convolution, norm))
            setattr(parent, next_name, nn.Identity())
    noise = torch.randn(example.shape, generator=torch.Generator().manual_seed(0)).to(example)
    with torch.inference_mode():
        before, after = model(noise), fast(noise)
    return fast if bool((before - after).abs().max() <= FOLD_TOLERANCE * before.abs().max()) else model


def _foldable_pairs(parent: nn.Module) -> list[tuple[str, nn.Conv2d, str, nn.BatchNorm2d]]:
    return [
        (name, first, next_name, second)
        for (name, first), (next_name, second) in pairwise(parent.named_children())
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d) and _follows(second, first)
    ]


def _follows(norm: nn.BatchNorm2d, convolution: nn.Conv2d) -> bool:
    return norm.num_features == convolution.out_channels and norm.track_running_stats and not norm.training


def hash_tensors(model: nn.Module) -> str:
    """First 16 hex digits of the SHA-256 of a model's tensors in order of their names: for weights without a file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
