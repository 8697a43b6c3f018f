"""What every backbone keeps: a row of BACKBONES is tested by being there, and needs a way to make one here."""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from own_models import write_module
from PIL import Image
from torch import nn

from windrow.tasks.backbones import BACKBONES, Backbone, BackboneConfig, load_backbone
from windrow.tasks.backbones.patches import fit_patches, save_patches
from windrow.tasks.features import extraction
from windrow.tasks.features.extraction import identify_backbone
from windrow.tasks.features.shard_vectors import BackboneIdentity
from windrow.tasks.storage.store.outputs import NotDoneError, only_finding

SETTINGS = {"size": {"height": 24, "width": 24}, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
Made = tuple[BackboneConfig, Path | None]


def known_backbone(config: BackboneConfig, weights: Path | None, store: Path) -> BackboneIdentity | None:
    """What the store remembers of a backbone, None where it would have to be loaded."""
    try:
        with only_finding():
            return identify_backbone(config, weights, store)
    except NotDoneError:
        return None


class Making:
    """A way to make each kind of backbone without a network, in a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
        self.folder, self.monkeypatch, self.request = folder, monkeypatch, request

    def patches(self, seed: int = 0) -> Made:
        file = self.folder / "patches.npz"
        pictures = self.request.getfixturevalue("pictures")
        save_patches(fit_patches(pictures, n_centroids=8, dim=6, seed=seed), file)
        return BackboneConfig("patches", batch_size=4), file

    def lite0(self) -> Made:
        from windrow.tasks.backbones import lite0

        copy = self.folder / "weights.pth"
        if not copy.exists():
            copy.write_bytes(lite0.weights_file().read_bytes())
        self.monkeypatch.setattr(lite0, "weights_file", lambda: copy)
        return BackboneConfig("lite0", image_size=32, batch_size=4), None

    def hugging_face(self) -> Made:
        return BackboneConfig(f"hf:{self.request.getfixturevalue('save_tiny')()}", batch_size=4), None

    def timm(self) -> Made:
        timm = pytest.importorskip("timm", reason="the extra 'timm' is not installed")
        from safetensors.torch import save_file

        save_file(timm.create_model("test_vit", num_classes=0).state_dict(), self.folder / "model.safetensors")
        cfg = {"input_size": [3, 160, 160], "num_classes": 0, "mean": [0.5] * 3, "std": [0.5] * 3, "crop_pct": 0.9}
        config = {"architecture": "test_vit", "num_classes": 0, "pretrained_cfg": cfg}
        (self.folder / "config.json").write_text(json.dumps(config))
        return BackboneConfig(f"timm:local-dir:{self.folder}", batch_size=4), None

    def open_clip(self) -> Made:
        open_clip = pytest.importorskip("open_clip", reason="the extra 'open-clip' is not installed")
        from safetensors.torch import save_file

        file = self.folder / "weights.safetensors"
        save_file(open_clip.create_model("RN50").state_dict(), file)
        return BackboneConfig(f"open_clip:RN50/{file}", batch_size=2), None

    def program(self, kind: str) -> Made:
        (self.folder / "preprocessor_config.json").write_text(json.dumps(SETTINGS))
        torch.manual_seed(0)
        model, example = nn.Conv2d(3, 6, 5, 4).eval(), (torch.zeros(4, 3, 24, 24),)
        file = self.folder / "model"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == "export":
                torch.export.save(torch.export.export(model, example), file)
            else:
                torch.jit.trace(model, example).save(str(file))
        return BackboneConfig(f"{kind}:{file}", batch_size=4), None

    def own(self) -> Made:
        write_module(self.folder, self.monkeypatch)
        (self.folder / "scale.txt").write_text("1.0")
        return BackboneConfig("python:own_toys:Thumbnails", batch_size=4), None


MAKE: dict[str, Callable[[Making], Made]] = {
    "lite0": Making.lite0,
    "patches": Making.patches,
    "hf:": Making.hugging_face,
    "timm:": Making.timm,
    "open_clip:": Making.open_clip,
    "export:": lambda making: making.program("export"),
    "torchscript:": lambda making: making.program("torchscript"),
    "python:": Making.own,
}


@pytest.fixture(params=BACKBONES)
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    folder = tmp_path / "model"
    folder.mkdir()
    return MAKE[request.param](Making(folder, monkeypatch, request))


@contextmanager
def loading_counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    loaded: list[str] = []

    def load(config: BackboneConfig, weights: Path | None = None) -> Backbone:
        loaded.append(config.name)
        return load_backbone(config, weights)

    with monkeypatch.context() as patch:
        patch.setattr(extraction, "load_backbone", load)
        yield loaded


def test_a_backbone_is_what_the_protocol_says(made: Made, pictures: list[Image.Image]) -> None:
    backbone = load_backbone(*made)
    assert backbone.name == made[0].name
    assert len(backbone.version) == 16
    assert int(backbone.version, 16) >= 0
    assert backbone.batch_size == made[0].batch_size
    assert backbone.min_side >= 1
    assert all(isinstance(value, str) for value in (backbone.layer, backbone.pooling, backbone.preprocessing))
    assert all(isinstance(file, Path) for file in backbone.files or ())
    prepared = [backbone.prepare(picture) for picture in pictures[:7]]
    assert {(each.dtype, each.shape) for each in prepared} == {(prepared[0].dtype, prepared[0].shape)}
    assert prepared[0].dtype == np.uint8
    embedded = backbone.embed(np.stack(prepared))
    assert (embedded.dtype, embedded.shape) == (np.float32, (7, backbone.dim))
    assert np.isfinite(embedded).all()
    assert np.ptp(embedded, axis=0).max() > 0
    backwards = backbone.embed(np.stack(prepared[::-1]))[::-1]
    assert np.abs(backwards - embedded).max() <= 1e-6 * np.abs(embedded).max()
    alone = backbone.embed(np.stack(prepared[3:4]))
    assert np.abs(alone[0] - embedded[3]).max() <= 1e-6 * np.abs(embedded).max()


def test_two_loads_are_the_same_backbone_and_a_setting_makes_another(made: Made) -> None:
    first, second = identify_backbone(*made), identify_backbone(*made)
    assert first == second
    if "export:" not in made[0].name:  # whose program takes one size of batch
        assert identify_backbone(replace(made[0], batch_size=3), made[1]) != first


def test_it_is_loaded_once_to_be_identified_and_again_when_a_file_changed(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, weights = made
    with loading_counted(monkeypatch) as loaded:
        assert known_backbone(config, weights, tmp_path) is None
        first = identify_backbone(config, weights, tmp_path)
        assert identify_backbone(config, weights, tmp_path) == first
        assert known_backbone(config, weights, tmp_path) == first
        assert len(loaded) == 1
        file = next(file for file in reversed(load_backbone(*made).files or ()) if file.is_file())
        file.write_bytes(file.read_bytes())
        assert known_backbone(config, weights, tmp_path) is None
        assert identify_backbone(config, weights, tmp_path) == first
        assert len(loaded) == 2


def test_other_weights_in_the_same_file_are_another_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    making = Making(tmp_path, monkeypatch, request)
    first = identify_backbone(*making.patches(), tmp_path)
    second = identify_backbone(*making.patches(seed=1), tmp_path)
    assert first.backbone_id != second.backbone_id


def test_a_weights_file_put_back_or_a_new_file_beside_it_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    from safetensors.torch import load_file, save_file

    config, _ = Making(tmp_path, monkeypatch, request).hugging_face()
    folder = Path(config.name.removeprefix("hf:"))
    first = identify_backbone(config, None, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    before = (folder / "model.safetensors").read_bytes()
    save_file({name: tensor * 1.5 for name, tensor in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    changed = identify_backbone(config, None, tmp_path)
    (folder / "model.safetensors").write_bytes(before)
    assert changed.backbone_id != first.backbone_id
    assert identify_backbone(config, None, tmp_path) == first
    (folder / "model-2.safetensors").write_bytes(before)
    assert known_backbone(config, None, tmp_path) is None


@pytest.mark.parametrize("what", ["code", "library", "gpu", "setting"])
def test_what_else_it_hangs_on_makes_it_unknown(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    from windrow.tasks.features import remembered

    config, weights = Making(tmp_path, monkeypatch, request).patches()
    first = identify_backbone(config, weights, tmp_path)
    assert known_backbone(config, weights, tmp_path) == first
    if what == "code":
        monkeypatch.setattr(remembered, "hash_files", lambda _: "0" * 16)
    elif what == "library":
        monkeypatch.setattr(remembered, "version", lambda _: "99")
    elif what == "gpu":
        monkeypatch.setattr(remembered, "visible_gpus", lambda: ["0"])
    else:
        config = BackboneConfig("patches", batch_size=5)
    assert known_backbone(config, weights, tmp_path) is None


def test_a_memory_that_is_damaged_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    config, weights = Making(tmp_path, monkeypatch, request).patches()
    first = identify_backbone(config, weights, tmp_path)
    [memory] = (tmp_path / "models").iterdir()
    memory.write_text(memory.read_text().replace(first.backbone_id, "0" * 16))
    assert known_backbone(config, weights, tmp_path) is None
    memory.write_text("{")
    assert identify_backbone(config, weights, tmp_path) == first
