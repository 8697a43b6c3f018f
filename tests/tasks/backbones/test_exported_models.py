import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from windrow.tasks.backbones import BackboneConfig, BackboneUnavailable, load_backbone

SETTINGS = {"size": {"height": 24, "width": 24}, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}


class Small(nn.Module):
    """Returns what exported models of other libraries return: a map, tokens, or a mapping."""

    def __init__(self, output: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.output = nn.Conv2d(3, 6, 5, 4), output

    def forward(self, pixels: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        maps = torch.relu(self.conv(pixels))
        if self.output == "map":
            return maps
        tokens = maps.flatten(2).transpose(1, 2)
        return tokens if self.output == "tokens" else {"last_hidden_state": tokens}


def save(folder: Path, kind: str, output: str) -> tuple[Path, nn.Module]:
    model, example = Small(output).eval(), (torch.zeros(8, 3, 24, 24),)
    (folder / "preprocessor_config.json").write_text(json.dumps(SETTINGS))
    file = folder / "model.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "export":
            batch = {0: torch.export.Dim("batch", min=2, max=1024)}
            torch.export.save(torch.export.export(model, example, dynamic_shapes=(batch,)), file)
        else:
            torch.jit.trace(model, example, strict=False).save(str(file))
    return file, model


@pytest.mark.parametrize("output", ["map", "tokens", "mapping"])
@pytest.mark.parametrize("kind", ["export", "torchscript"])
def test_a_saved_program_gives_what_its_model_gave(
    kind: str, output: str, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    file, model = save(tmp_path, kind, output)
    backbone = load_backbone(BackboneConfig(f"{kind}:{file}", batch_size=8))
    batch = np.stack([backbone.prepare(p) for p in pictures[:10]])
    model.output = "map"
    expected = model(torch.from_numpy(batch) / 127.5 - 1).mean((2, 3)).detach().numpy()
    assert np.abs(backbone.embed(batch) - expected).max() < 1e-5
    assert backbone.version == hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def test_what_is_missing_or_damaged_is_said(tmp_path: Path) -> None:
    file, _ = save(tmp_path, "export", "map")
    config = BackboneConfig(f"export:{file}", batch_size=8)
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(BackboneUnavailable, match="PyTorch cannot load"):
        load_backbone(config)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(BackboneUnavailable, match=r"there is no file .*preprocessor_config\.json"):
        load_backbone(config)


def test_a_size_that_the_program_cannot_take_is_said(tmp_path: Path) -> None:
    file, _ = save(tmp_path, "export", "map")
    with pytest.raises(BackboneUnavailable, match="it does not run at batch_size 8"):
        load_backbone(BackboneConfig(f"export:{file}", batch_size=8, image_size=32))
