"""Folders for the Hugging Face Hub: opened by `datasets` in every way that there is, and uploaded to a hub."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub_server import hub
from small_export import EXTENSIONS, export, make_selection

from windrow.tasks.conversion.all_formats import FORMATS
from windrow.tasks.conversion.converted_version import convert_version
from windrow.tasks.export.export_config import ExportConfig

# `datasets` opens files that it leaves to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
LAYOUTS = {"huggingface": ("parquet", "parquet"), "huggingface-webdataset": ("webdataset", "tar")}
SPLITS = {"train": 15, "val": 4, "my_test": 5}  # of the last two a reader of words makes 'validation' and 'test'
NAMES = ["zero", "1", "2", "3", "4", "5", "6", "seven"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], dict[str, Any], dict[str, bytes]]:
    """A version of numbered classes, some of them named, as folders for a hub; its rows and bytes by sample_id."""
    folder = tmp_path_factory.mktemp("huggingface")
    rows, data = make_selection(folder / "source", 24, labels=[("0", "1", "7", None)[i % 4] for i in range(24)])
    for number, row in enumerate(rows):
        row["split"] = "my_test" if number % 5 == 0 else "val" if row["split"] == "test" else "train"
    rows.sort(key=lambda row: (row["split"], row["rank"]))
    config = ExportConfig(samples_per_shard=5, class_names={0: "zero", 7: "seven"})
    version = export(folder / "store", rows, config, classes=["0", "1", "7"])
    for name in LAYOUTS:
        convert_version(version.path, folder / name, FORMATS[name])
    return {name: folder / name for name in LAYOUTS}, {row["sample_id"]: row for row in rows}, data


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_folder_is_opened_with_its_splits_classes_and_bytes(
    made: Any, name: str, streaming: bool, datasets: Any
) -> None:
    folders, rows, data = made
    splits = datasets.load_dataset(str(folders[name]), streaming=streaming)
    found = {}
    for split, samples in splits.items():
        label = samples.features["cls" if name != "huggingface" else "label"]
        assert label == datasets.ClassLabel(names=NAMES)
        for column in samples.features:
            if samples.features[column] == datasets.Image():
                samples = samples.cast_column(column, datasets.Image(decode=False))
        for sample in samples:
            info = sample if name == "huggingface" else sample["json"]
            image = sample["image" if name == "huggingface" else EXTENSIONS[info["format"]]]
            number = sample["label" if name == "huggingface" else "cls"]
            found[info["sample_id"]] = (split, number, image["bytes"], info["license"])
    expected = {
        key: (row["split"], None if row["label"] is None else int(row["label"]), data[key], row["license"])
        for key, row in rows.items()
    }
    assert found == expected


@pytest.mark.parametrize("streaming", [False, True])
def test_without_the_card_the_names_of_the_files_give_the_same_splits_and_classes(
    made: Any, streaming: bool, datasets: Any, tmp_path: Path
) -> None:
    folder = made[0]["huggingface"]
    (tmp_path / "data").symlink_to(folder / "data")
    files = {split: str(folder / "data" / f"{split}-*.parquet") for split in SPLITS}
    ways: dict[str, dict[str, Any]] = {
        "files": {"path": "parquet", "data_files": files},
        "files of the folder": {"path": str(folder), "data_files": {s: f"data/{s}-*.parquet" for s in SPLITS}},
        "folder of the files": {"path": "parquet", "data_dir": str(folder)},
        "folder without a card": {"path": str(tmp_path)},
    }
    for way, arguments in ways.items():
        splits = datasets.load_dataset(**arguments, streaming=streaming)
        assert {split: sum(1 for _ in samples) for split, samples in splits.items()} == SPLITS, way
        for samples in splits.values():
            assert samples.features["label_index"] == datasets.ClassLabel(names=NAMES), way


@pytest.mark.parametrize("streaming", [False, True])
def test_tars_are_opened_by_their_names_where_all_are_of_one_kind(
    tmp_path: Path, streaming: bool, datasets: Any
) -> None:
    rows, _ = make_selection(tmp_path / "source", labels=["rye"] * 12, formats=("PNG",))
    known = {"given_label": "rye", "caption": "a field", "metadata": "{}", "license": "MIT", "author": "x"}
    known |= {"source_url": "https://x.org", "given_annotator": "ann", "suggested_label": "rye"}
    judged = {"left_out": ["oats"], "label_quality": 0.5, "is_doubtful": False}
    version = export(tmp_path / "store", [{**row, **known, **judged} for row in rows])
    convert_version(version.path, tmp_path / "out", FORMATS["huggingface-webdataset"])
    splits = datasets.load_dataset("webdataset", data_dir=str(tmp_path / "out"), streaming=streaming)
    assert {split: [sample["cls"] for sample in samples] for split, samples in splits.items()} == {
        "train": [1] * 9,
        "test": [1] * 3,
    }


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_folder_has_no_copy_of_an_image_and_needs_nothing_beside_it(made: Any, name: str) -> None:
    folder = made[0][name]
    shards = list((folder / "data").iterdir())
    assert len(shards) == 5 and all(shard.stat().st_nlink >= 3 for shard in shards)
    others = {path.name for path in folder.iterdir()}
    assert others == {"README.md", "attribution.csv", "classes.txt", "data", "manifest.json", "samples.parquet"}
    card = (folder / "README.md").read_text()
    assert "../" not in card
    [config] = yaml.safe_load(card.split("---\n")[1])["configs"]
    assert {each["split"] for each in config["data_files"]} == set(SPLITS)


UPLOAD = """
import sys
from huggingface_hub import HfApi
api = HfApi(token="hf_x")
api.create_repo("me/set", repo_type="dataset", exist_ok=True)
if hasattr(api, "upload_large_folder"):
    api.upload_large_folder("me/set", folder_path=sys.argv[1], repo_type="dataset", num_workers=1, print_report=False)
else:
    api.upload_folder(repo_id="me/set", folder_path=sys.argv[1], repo_type="dataset")
"""
LOAD = """
import datasets
for streaming in (False, True):
    splits = datasets.load_dataset("me/set", streaming=streaming)
    print({split: (samples.features["label"].names, sum(1 for _ in samples)) for split, samples in splits.items()})
"""
PUSH = """
import sys
import datasets
datasets.load_dataset(sys.argv[1]).push_to_hub("me/set", token="hf_x")
"""


def run(code: str, folder: Path, url: str, home: Path, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Run code that talks to a hub, as a user's would: what the hub is, `huggingface_hub` reads when imported."""
    environment = {**os.environ, "HF_ENDPOINT": url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(home)}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)


def test_an_upload_that_broke_off_goes_on_and_the_hub_has_it_all(made: Any, tmp_path: Path) -> None:
    import huggingface_hub

    folder = made[0]["huggingface"]
    with hub() as server:
        if not hasattr(huggingface_hub.HfApi, "upload_large_folder"):  # that one tries for ever
            server.breaks_after = 2
            assert run(UPLOAD, folder, server.url, tmp_path).returncode != 0
            assert len(server.objects) == 2 and not server.files
            server.breaks_after = None
        done = run(UPLOAD, folder, server.url, tmp_path)
        assert done.returncode == 0, done.stderr
        assert set(server.puts.values()) == {1}  # nothing was sent twice
        kept = {path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts}
        assert server.files == {str(path.relative_to(folder)): path.read_bytes() for path in kept}
        loaded = run(LOAD, folder, server.url, tmp_path)
        expected = {split: (NAMES, SPLITS[split]) for split in ("train", "my_test", "val")}
        assert loaded.stdout.splitlines()[-2:] == [str(expected)] * 2


def test_what_was_loaded_can_be_pushed(made: Any, tmp_path: Path) -> None:
    with hub() as server:
        done = run(PUSH, made[0]["huggingface"], server.url, tmp_path)
        assert done.returncode == 0, done.stderr
        card = yaml.safe_load(server.files["README.md"].decode().split("---\n")[1])
    assert {name.split("/")[1].split("-")[0] for name in server.files if "/" in name} == set(SPLITS)
    features = {feature["name"]: feature for feature in card["dataset_info"]["features"]}
    assert list(features["label"]["dtype"]["class_label"]["names"].values()) == NAMES
