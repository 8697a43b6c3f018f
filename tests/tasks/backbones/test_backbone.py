import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from windrow.tasks.backbones import BackboneConfig, BackboneUnavailable, load_backbone


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "dinov2"}, "name: wants one of 'auto', 'lite0', 'patches', hf:..., .*got 'dinov2'"),
        ({"name": "hf:"}, "got 'hf:'"),
        ({"image_size": 8}, "image_size: wants 16 or more, got 8"),
        ({"batch_size": 0}, "batch_size: wants 1 or more, got 0"),
        ({"name": "hf:x", "pooling": "max"}, "pooling: wants one of .* got 'max'"),
        ({"precision": "float16"}, "precision: wants one of .* got 'float16'"),
        ({"name": "timm:resnet18", "layer": -2}, "layer, pooling: can be chosen for 'hf:' only"),
        ({"name": "hf:x", "layer": -2, "pooling": "pooler"}, "belongs to layer -1, got layer -2"),
    ],
)
def test_a_bad_setting_is_named_with_what_came(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BackboneConfig(**settings)


def test_weights_go_with_patches_only() -> None:
    with pytest.raises(ValueError, match="weights belong to a backbone that is fitted"):
        load_backbone(BackboneConfig("patches"))
    with pytest.raises(ValueError, match="weights belong to a backbone that is fitted"):
        load_backbone(BackboneConfig("hf:somewhere"), Path("patches.npz"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf:/no/such/folder", "no such folder"),
        ("hf:./no/such", "no such folder"),
        ("export:/no/such.pt2", "there is no file /no/such.pt2"),
        ("torchscript:/no/such.pt", "there is no file /no/such.pt"),
        ("open_clip:ViT-B-32", "write 'open_clip:NAME/PRETRAINED'"),
    ],
)
def test_what_is_missing_is_said(name: str, message: str) -> None:
    if name.startswith("hf"):
        pytest.importorskip("transformers", reason="the extra 'hf' is not installed")
    with pytest.raises(BackboneUnavailable, match=message):
        load_backbone(BackboneConfig(name))


@pytest.mark.parametrize(
    ("name", "library", "extra"),
    [
        ("hf:/some/folder", "transformers", "hf"),
        ("timm:resnet18", "timm", "timm"),
        ("open_clip:ViT-B-32/openai", "open_clip", "open-clip"),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    name: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)  # what Python itself does to make an import fail
    with pytest.raises(BackboneUnavailable, match=rf"pip install 'windrow\[{extra}\]'"):
        load_backbone(BackboneConfig(name))


def test_importing_the_package_imports_no_model_library() -> None:
    program = (
        "import sys, windrow.tasks.backbones; print([m for m in ('torch', 'transformers', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
