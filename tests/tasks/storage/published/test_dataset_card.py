"""Dataset cards: how `datasets` reads a version by them, and what they say (`test_readers.py` runs their code)."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from small_export import EXTENSIONS, export, make_selection

from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.storage.published.dataset_card import size_category
from windrow.tasks.storage.published.versions import Version

# `datasets` opens files that it leaves to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


KNOWN = {
    **{"license": "MIT", "author": "x", "source_url": "https://x.org", "left_out": ["oats"], "given_annotator": "ann"},
    **{"label_quality": 0.5, "is_doubtful": False, "suggested_label": "rye"},
}


def header(version: Version, layout: str) -> dict[str, Any]:
    text = (version.path / layout / "README.md").read_text()
    assert text.startswith("---\n")
    values: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return values


@pytest.mark.parametrize("layout", ["webdataset", "parquet"])
def test_datasets_loads_a_folder_of_several_formats_and_missing_labels(
    tmp_path: Path, layout: str, datasets: Any
) -> None:
    rows, _ = make_selection(tmp_path / "source", 24)
    version = export(tmp_path / "store", rows)
    splits = datasets.load_dataset(str(version.path / layout))
    found = {}
    for split in splits:
        assert len(splits[split]) == sum(row["split"] == split for row in rows)
        for sample in splits[split]:
            info = sample if layout == "parquet" else sample["json"]
            image = sample["image"] if layout == "parquet" else sample[EXTENSIONS[info["format"]]]
            assert image.size == (8, 8) and image.format == info["format"]
            label = info["label"]
            if layout == "parquet":  # there it is the number of its class, as in every set of classes on the hub
                assert label == info["label_index"]
                label = None if label is None else splits[split].features["label"].int2str(label)
            found[info["sample_id"]] = (label, info["caption"], info["metadata"], info["cluster_path"])
    assert found == {
        row["sample_id"]: (row["label"], row["caption"], row["metadata"], row["cluster_path"]) for row in rows
    }


def test_datasets_gives_back_the_original_bytes(tmp_path: Path, datasets: Any) -> None:
    rows, data = make_selection(tmp_path / "source")
    version = export(tmp_path / "store", rows)
    files = [str(path) for path in sorted((version.path / "parquet").glob("*.parquet"))]
    loaded = datasets.load_dataset("parquet", data_files=files, split="train")
    assert loaded.features["image"] == datasets.Image()
    undecoded = loaded.cast_column("image", datasets.Image(decode=False))
    assert {sample["sample_id"]: sample["image"]["bytes"] for sample in undecoded} == data


def test_datasets_loads_and_streams_tars_without_the_card_where_every_field_is_known(
    tmp_path: Path, datasets: Any
) -> None:
    rows, data = make_selection(tmp_path / "source", labels=["rye"] * 12, formats=("PNG",))
    rows = [{**row, "given_label": "rye", "caption": "a field", "metadata": "{}", **KNOWN} for row in rows]
    version = export(tmp_path / "store", rows)
    files = [str(path) for path in sorted((version.path / "webdataset").glob("*.tar"))]
    for streaming in (False, True):
        loaded = datasets.load_dataset("webdataset", data_files=files, split="train", streaming=streaming)
        undecoded = loaded.cast_column("png", datasets.Image(decode=False))
        assert {sample["__key__"]: sample["png"]["bytes"] for sample in undecoded} == data
        assert {sample["cls"] for sample in undecoded} == {1}


def test_the_header_has_splits_size_and_licence(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    version = export(tmp_path / "store", rows, ExportConfig(license="cc-by-4.0"))
    for layout, extension in (("webdataset", "tar"), ("parquet", "parquet")):
        values = header(version, layout)
        assert values["license"] == "cc-by-4.0" and values["size_categories"] == ["n<1K"]
        assert values["configs"][0]["data_files"] == [
            {"split": "train", "path": f"train-*.{extension}"},
            {"split": "test", "path": f"test-*.{extension}"},
        ]
    assert "license" not in header(export(tmp_path / "store", rows, ExportConfig()), "parquet")


def test_one_format_has_one_folder(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    version = export(tmp_path / "store", rows, ExportConfig(formats=("parquet",)))
    assert {path.name for path in version.path.iterdir() if path.is_dir()} == {"parquet"}


@pytest.mark.parametrize(
    ("n", "category"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (99_999, "10K<n<100K"),
        (100_000, "100K<n<1M"),
        (5_000_000, "1M<n<10M"),
        (2 * 10**9, "1B<n<10B"),
        (3 * 10**11, "100B<n<1T"),
        (10**12, "n>1T"),
    ],
)
def test_size_categories_are_those_of_hugging_face(n: int, category: str) -> None:
    assert size_category(n) == category
