"""A classifier from a folder: the probabilities that the library itself gives, and refusals that say what to do."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_classifier import save_classifier

from windrow.tasks.backbones import BackboneUnavailable
from windrow.tasks.scorers import ScorerConfig, load_scorer

transformers = pytest.importorskip("transformers", reason="the extra 'hf' is not installed")
SHARED = Path(__file__).parents[4] / "shared"
INDIGO = "indigo bunting, indigo finch, indigo bird, Passerina cyanea"
MOBILENET = SHARED / "models" / "mobilenet_v2_1.0_224"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_classifier(tmp_path_factory.mktemp("classifier"))


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = rng.integers(20, 90, (7, 2)).tolist()
    noise = [Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)) for _ in sizes]
    return [image.resize((width, height)) for image, (width, height) in zip(noise, sizes, strict=True)]


def probabilities_of_the_library(folder: Path, images: list[Image.Image], several: bool = False) -> np.ndarray:
    processor = transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False)
    model = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        logits = model(processor(images, return_tensors="pt")["pixel_values"]).logits
    return (logits.sigmoid() if several else logits.softmax(1)).numpy()


@pytest.mark.parametrize("several", [False, True])
def test_it_gives_the_probabilities_that_the_library_gives(
    several: bool, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    save_classifier(tmp_path, problem_type="multi_label_classification" if several else None)
    scorer = load_scorer(ScorerConfig("safety", str(tmp_path), ("person", "bird"), batch_size=4))
    expected = probabilities_of_the_library(tmp_path, pictures, several)[:, [2, 0]]
    found = scorer.score(pictures)
    assert scorer.columns == ("person", "bird")
    assert np.abs(found - expected).max() < 1e-5
    assert np.ptp(found[:, 0]) > 0.01
    assert np.array_equal(scorer.score(pictures[2:3]), found[2:3])
    assert scorer.score([]).shape == (0, 2)


def test_the_version_is_the_sha256_of_all_files_that_matter(folder: Path) -> None:
    names = ("config.json", "preprocessor_config.json", "model.safetensors")
    content = b"".join((folder / name).read_bytes() for name in names)
    config = ScorerConfig("safety", str(folder), ("face",))
    assert load_scorer(config).version == hashlib.sha256(content).hexdigest()[:16]


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_a_folder_that_lacks_a_file_says_which(missing: str, folder: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(folder, tmp_path / "model")
    (broken / missing).rename(broken / "pytorch_model.bin")
    with pytest.raises(BackboneUnavailable, match=missing.replace("model.", r"\*\.")):
        load_scorer(ScorerConfig("safety", str(broken), ("face",)))


def test_a_model_without_its_classifier_is_refused(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(folder, tmp_path / "model")
    weights = {key: value for key, value in load_file(folder / "model.safetensors").items() if "classifier" not in key}
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(BackboneUnavailable, match=r"2 weights are not in the file, e.g. classifier.bias"):
        load_scorer(ScorerConfig("safety", str(broken), ("face",)))


def test_a_class_or_a_folder_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(BackboneUnavailable, match="has no class 'nsfw'; it has 3: bird, face, person"):
        load_scorer(ScorerConfig("safety", str(folder), ("nsfw",)))
    with pytest.raises(BackboneUnavailable, match="there is no folder /nowhere"):
        load_scorer(ScorerConfig("safety", "/nowhere", ("nsfw",)))


@pytest.mark.parametrize(
    ("name", "model", "classes", "batch_size", "message"),
    [
        ("a.b", "m", ("x",), 1, "^name: wants a name without a dot, got 'a.b'"),
        ("a", "", ("x",), 1, "^model: wants something, got ''"),
        ("a", "m", (), 1, r"^classes: wants something, got \(\)"),
        ("a", "m", ("x", "x"), 1, r"^classes: .*\('x', 'x'\)"),
        ("a", "m", ("x",), 0, "^batch_size: wants 1 or more, got 0"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(
    name: str, model: str, classes: tuple[str, ...], batch_size: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ScorerConfig(name, model, classes, batch_size)


@pytest.mark.shared
@pytest.mark.skipif(not MOBILENET.exists(), reason="needs ../shared/models")
def test_a_real_classifier_recognises_real_photographs() -> None:
    photos = ("n01494475_hammerhead", "n01518878_ostrich", "n01537544_indigo_bunting")
    classes = ("hammerhead, hammerhead shark", "ostrich, Struthio camelus", INDIGO)
    scorer = load_scorer(ScorerConfig("imagenet", str(MOBILENET), classes, batch_size=3))
    images = [Image.open(SHARED / "data" / "photos" / f"{name}.JPEG").convert("RGB") for name in photos]
    scores = scorer.score(images)
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]
    expected = probabilities_of_the_library(MOBILENET, images)
    ids = {name: int(index) for index, name in json.loads((MOBILENET / "config.json").read_text())["id2label"].items()}
    assert np.abs(scores - expected[:, [ids[name] for name in classes]]).max() < 1e-3
