import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from windrow.tasks.backbones.backbone import BackboneConfig, BackboneUnavailable
from windrow.tasks.backbones.preprocessing import Preprocessing
from windrow.tasks.backbones.torch_backbone import (
    FOLD_TOLERANCE,
    TorchBackbone,
    chosen_device,
    folded,
    hash_tensors,
)
from windrow.tasks.backbones.weight_files import hash_files
from windrow.tasks.pictures.decoding import decode_rgb

PREPROCESS = Preprocessing((16, 16), None, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


class Trained(nn.Module):
    """Convolutions with batch norms that have seen data, as in a trained network."""

    def __init__(self, registered_out_of_order: bool = False) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)
        self.second, self.last_norm = nn.Conv2d(8, 8, 3, groups=4), nn.BatchNorm2d(8)
        self.registered_out_of_order = registered_out_of_order
        random = torch.Generator().manual_seed(0)
        for tensor in (*self.parameters(), self.norm.running_mean, self.last_norm.running_mean):
            tensor.data.copy_(torch.randn(tensor.shape, generator=random))
        for norm in (self.norm, self.last_norm):
            norm.running_var.copy_(torch.rand(8, generator=random) + 0.5)
        self.eval().requires_grad_(False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        hidden = self.first(pixels)
        hidden = torch.relu(self.norm(torch.relu(hidden) if self.registered_out_of_order else hidden))
        return self.last_norm(self.second(hidden)).mean((2, 3))


def backbone(batch_size: int = 16) -> TorchBackbone:
    return TorchBackbone(Trained(), PREPROCESS, BackboneConfig("export:x", batch_size=batch_size), "0" * 16)


def images(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 3, 16, 16), dtype=np.uint8)


def test_folding_removes_every_batch_norm_and_changes_only_the_rounding() -> None:
    model, example = Trained(), torch.zeros(1, 3, 16, 16)
    fast = folded(model, example)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in fast.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    pixels = torch.from_numpy(images(8)).float() / 255
    assert (fast(pixels) - model(pixels)).abs().max() <= FOLD_TOLERANCE * model(pixels).abs().max()


def test_a_model_that_folding_would_change_is_left_alone() -> None:
    model = Trained(registered_out_of_order=True)
    assert folded(model, torch.zeros(1, 3, 16, 16)) is model


@given(st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=30, deadline=None)
def test_no_bit_of_an_embedding_depends_on_its_neighbours(start: int, n: int) -> None:
    model, batch = backbone(), images(40)
    assert np.array_equal(model.embed(batch)[start : start + n], model.embed(batch[start : start + n]))


def test_order_is_kept_whatever_the_place_in_the_batch() -> None:
    model, batch = backbone(), images(40)
    order = np.random.default_rng(1).permutation(40)
    assert np.array_equal(model.embed(batch)[order], model.embed(batch[order]))


def test_it_is_the_model_on_normalised_pixels() -> None:
    batch = images(5)
    expected = Trained()((torch.from_numpy(batch).float() / 255 - 0.5) / 0.25).numpy()
    assert np.allclose(backbone().embed(batch), expected, rtol=1e-4, atol=1e-4)
    assert backbone().dim == 8


def test_a_batch_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="batch must be uint8"):
        backbone().embed(np.zeros((1, 3, 16, 16), dtype=np.float32))
    assert backbone().embed(images(0)).shape == (0, 8)


def test_a_gpu_that_is_not_there_is_said() -> None:
    if torch.cuda.is_available():
        assert chosen_device("auto").type == "cuda"
    else:
        assert chosen_device("auto").type == "cpu"
        with pytest.raises(BackboneUnavailable, match="PyTorch sees no GPU here"):
            chosen_device("cuda:1")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_in_bfloat16_agrees_to_its_three_digits() -> None:
    on_gpu = TorchBackbone(Trained(), PREPROCESS, BackboneConfig("export:x", batch_size=16, device="cuda"), "0" * 16)
    assert on_gpu.precision == "bfloat16"
    expected = backbone().embed(images(16))
    assert np.abs(on_gpu.embed(images(16)) - expected).max() <= 0.03 * np.abs(expected).max()


def test_hashes_are_those_of_sha256sum_and_of_every_tensor(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    assert hash_files([tmp_path / "a", tmp_path / "b"]) == hashlib.sha256(b"onetwo").hexdigest()[:16]
    model = Trained()
    before = hash_tensors(model)
    assert hash_tensors(Trained()) == before
    model.norm.running_mean[3] += 1e-6
    assert hash_tensors(model) != before


@pytest.mark.shared
def test_mobilenet_folded_agrees_with_mobilenet_as_loaded(
    shared_mobilenet: Path, photo_bytes: Callable[[int], list[bytes]]
) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra 'hf' is not installed")
    from windrow.tasks.backbones import load_backbone

    backbone = load_backbone(BackboneConfig(f"hf:{shared_mobilenet}", image_size=96, batch_size=8))
    batch = np.stack([backbone.prepare(decode_rgb(data)) for data in photo_bytes(8)])
    model = transformers.AutoModel.from_pretrained(shared_mobilenet, local_files_only=True).eval()
    with torch.inference_mode():
        expected = model(torch.from_numpy(batch).float() / 127.5 - 1).pooler_output.numpy()
    assert backbone.dim == 1280
    # 53 convolutions of float32 rounding: measured 2e-5 of the largest number.
    assert np.abs(backbone.embed(batch) - expected).max() <= 1e-4 * np.abs(expected).max()
