"""EfficientNet-Lite0 as it is installed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from windrow.tasks.algorithms.torch_threads import one_thread
from windrow.tasks.backbones import BackboneConfig, BackboneUnavailable, lite0, load_backbone
from windrow.tasks.backbones.lite0 import Lite0, SameConv2d
from windrow.tasks.pictures.decoding import decode_rgb

CONFIG = BackboneConfig("lite0", image_size=64, batch_size=4)


@pytest.fixture(scope="module")
def backbone() -> Lite0:
    return Lite0(CONFIG)


@pytest.fixture(scope="module")
def batch(backbone: Lite0, pictures: list[Image.Image]) -> np.ndarray:
    return np.stack([backbone.prepare(picture) for picture in pictures[:6]])


def test_it_gives_the_mean_over_places_of_the_network_as_loaded(backbone: Lite0, batch: np.ndarray) -> None:
    network = lite0.lite0(lite0.weights_file()).eval()
    with torch.inference_mode():
        maps = network((torch.from_numpy(batch).float() - 127) / 128)
    assert maps.shape == (6, 1280, 2, 2)
    found = backbone.embed(batch)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in backbone._model.modules())
    assert np.abs(found - maps.mean((2, 3)).numpy()).max() <= 1e-4 * np.abs(found).max()


def test_a_picture_has_the_same_bits_wherever_it_stands_and_on_any_number_of_threads(
    backbone: Lite0, batch: np.ndarray
) -> None:
    found = backbone.embed(batch)
    assert np.array_equal(backbone.embed(batch[::-1].copy())[::-1], found)
    assert np.array_equal(backbone.embed(batch[3:4])[0], found[3])
    with one_thread():
        assert np.array_equal(backbone.embed(batch), found)


@pytest.mark.parametrize(("side", "kernel"), [(6, 3), (7, 3), (6, 5), (7, 5)])
def test_padding_is_tensorflows(side: int, kernel: int) -> None:
    """A kernel of ones counts the pixels that it covers; the smaller half of the padding is before them."""
    layer = SameConv2d(1, 1, kernel, 2, bias=False)
    torch.nn.init.ones_(layer.weight)
    found = layer(torch.ones(1, 1, side, side))[0, 0]
    n_out = -(-side // 2)
    before = max(0, (n_out - 1) * 2 + kernel - side) // 2
    starts = [2 * at - before for at in range(n_out)]
    covered = torch.tensor([float(min(start + kernel, side) - max(start, 0)) for start in starts])
    assert torch.equal(found, covered[:, None] * covered[None])


def test_other_weights_than_those_that_it_is_known_by_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for data, message in ((b"PK", "has SHA-256 .* wants 57934424"), (None, "cannot be read")):
        file = tmp_path / f"{message[:3]}.pth"
        if data:
            file.write_bytes(data)
        monkeypatch.setattr(lite0, "weights_file", lambda file=file: file)
        with pytest.raises(BackboneUnavailable, match=message):
            load_backbone(CONFIG)
    monkeypatch.undo()
    monkeypatch.setattr(lite0, "PACKAGE", "no_such_package")
    with pytest.raises(BackboneUnavailable, match="pip install no-such-package"):
        load_backbone(CONFIG)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_in_bfloat16_agrees_to_its_three_digits(batch: np.ndarray, backbone: Lite0) -> None:
    on_gpu = Lite0(BackboneConfig("lite0", image_size=64, batch_size=4, device="cuda"))
    assert on_gpu.precision == "bfloat16"
    expected = backbone.embed(batch)
    # 49 convolutions one after the other, each rounded to three digits.
    assert np.abs(on_gpu.embed(batch) - expected).max() <= 0.1 * np.abs(expected).max()


@pytest.mark.shared
def test_it_tells_one_photograph_from_another_and_knows_a_copy(photo_bytes: Callable[[int], list[bytes]]) -> None:
    backbone = Lite0(BackboneConfig("lite0", batch_size=4))
    assert backbone.min_side == 224
    first, second = (decode_rgb(data) for data in photo_bytes(2))
    smaller = first.resize((first.width * 2 // 3, first.height * 2 // 3), Image.Resampling.BICUBIC)
    rows = backbone.embed(np.stack([backbone.prepare(each) for each in (first, smaller, second)]))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert rows[0] @ rows[1] > 0.9 > 0.7 > rows[0] @ rows[2]
