"""COCO's lists, read by pycocotools where it is installed, and by their own ids and places where it is not."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from small_export import export, make_selection

from windrow.tasks.conversion.all_formats import FORMATS
from windrow.tasks.conversion.converted_version import convert_version
from windrow.tasks.export.export_config import ExportConfig

CATEGORIES = {0: "no grain", 1: "1", 7: "rye"}
FIELDS = {
    "info": {"description", "version", "url", "contributor"},
    "licenses": {"id", "name", "url"},
    "categories": {"id", "name", "supercategory"},
    "images": {"id", "file_name", "width", "height", "license", "coco_url"},
    "annotations": {"id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation"},
}
"""What COCO's format of data asks of each of its lists (https://cocodataset.org/#format-data)."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]], dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("coco")
    rows, data = make_selection(folder / "source", 24, labels=[("0", "1", "7", None)[i % 4] for i in range(24)])
    config = ExportConfig(samples_per_shard=5, class_names={0: "no grain", 7: "rye"}, formats=("webdataset",))
    version = export(folder / "store", rows, config, classes=["0", "1", "7"])
    convert_version(version.path, folder / "out", FORMATS["coco"])
    return folder / "out", rows, data


def lists(folder: Path, split: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "annotations" / f"{split}.json").read_text())
    return found


def test_every_list_has_its_fields_and_ids_that_fit(made: Any) -> None:
    folder, rows, _ = made
    for split in ("train", "test"):
        found = lists(folder, split)
        assert set(found) == set(FIELDS)
        for name, fields in FIELDS.items():
            assert all(fields <= set(row) for row in ([found[name]] if name == "info" else found[name])), name
        assert {each["id"]: each["name"] for each in found["categories"]} == CATEGORIES
        expected = {row["sample_index"]: row["label"] for row in rows if row["split"] == split}
        assert {image["id"] for image in found["images"]} == set(expected)
        assert {each["image_id"]: str(each["category_id"]) for each in found["annotations"]} == {
            index: label for index, label in expected.items() if label is not None
        }
        licences = {each["id"]: each["name"] for each in found["licenses"]}
        known = {row["sample_index"]: row["license"] or "not known" for row in rows}
        assert all(licences[image["license"]] == known[image["id"]] for image in found["images"])


def test_an_image_lies_where_its_list_says_and_no_byte_is_copied(made: Any, tmp_path: Path) -> None:
    folder, _, data = made
    tars = sorted((folder / "webdataset").glob("*.tar"))
    assert len(tars) == 6 and all(tar.stat().st_nlink >= 3 for tar in tars)
    for tar in tars:
        with tarfile.open(tar) as members:
            members.extractall(tmp_path, filter="data")
    for split in ("train", "test"):
        for image in lists(folder, split)["images"]:
            with (folder / image["tar"]).open("rb") as file:
                file.seek(image["byte_offset"])
                assert file.read(image["byte_length"]) == data[image["sample_id"]]
            assert (tmp_path / image["file_name"]).read_bytes() == data[image["sample_id"]]


def test_pycocotools_reads_the_lists(made: Any) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    folder, rows, _ = made
    index = coco.COCO(str(folder / "annotations" / "train.json"))
    [rye] = index.getCatIds(catNms=["rye"])
    wanted = {row["sample_index"] for row in rows if row["split"] == "train" and row["label"] == "7"}
    assert set(index.getImgIds(catIds=[rye])) == wanted
    annotations = index.loadAnns(index.getAnnIds(imgIds=sorted(wanted), catIds=[rye]))
    assert {each["image_id"] for each in annotations} == wanted
    assert all(each["area"] == each["bbox"][2] * each["bbox"][3] == 64 for each in annotations)
