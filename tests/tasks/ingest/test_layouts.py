"""Pools as people have them: every label is found, every picture is a sample once, and no mask is one."""

import gc
import io
import json
import os
import warnings
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layouts import EXPECTED, LAYOUTS, Labels, csv_text, img2dataset_tars, picture, pictures, put, put_tar, spark_image
from PIL import Image

from windrow.schemas import OCCURRENCES, SAMPLES
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.sources.beside.class_folders import are_class_folders
from windrow.tasks.storage.sources.sample_bytes import read_members, read_samples
from windrow.tasks.storage.sources.source import SampleBytes
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_settings import SourceConfig
from windrow.tasks.storage.sources.source_shard import IngestConfig, sample_id_of
from windrow.tasks.storage.store.outputs import open_output


def found_labels(source: str, store: Path, config: IngestConfig | None = None) -> Labels:
    """The label of each picture, by its number; a picture that is there twice, or cannot be read, fails."""
    labels: Labels = {}
    config = config or IngestConfig()
    for done in ingest_shards(store, plan_shards([source], config), config):
        output = open_output(store / done.path)
        width = {row["sample_id"]: row["width"] for row in output.read(SAMPLES).to_pylist()}
        for row in output.read(OCCURRENCES).to_pylist():
            assert row["unreadable"] is None, row
            assert width[row["sample_id"]] not in labels, row
            labels[width[row["sample_id"]]] = row["found_label"]
    return labels


@pytest.mark.parametrize("name", LAYOUTS)
def test_labels_that_are_there_are_found(tmp_path: Path, name: str) -> None:
    expected = LAYOUTS[name](tmp_path / "pool")
    source = f"list:{tmp_path}/pool/list.csv" if name == "list_of_files" else f"{tmp_path}/pool"
    assert found_labels(source, tmp_path / "store") == expected


def occurrences(source: str, store: Path, **settings: Any) -> dict[str, dict[str, Any]]:
    """The occurrences of a source, by key."""
    config = IngestConfig(**settings)
    outputs = [open_output(store / done.path) for done in ingest_shards(store, plan_shards([source], config), config)]
    return {row["key"]: row for output in outputs for row in output.read(OCCURRENCES).to_pylist()}


def test_what_is_said_in_several_places_counts_in_an_order(tmp_path: Path) -> None:
    put(tmp_path / "pool", {**pictures("part=cat/"), "part=cat/8.cls": "lynx", "part=cat/9.json": '{"part": "ocelot"}'})
    put(tmp_path / "pool", {"metadata.csv": csv_text(["file_name", "part"], ["part=cat/10.png", "lion"])})
    found = occurrences(f"{tmp_path}/pool", tmp_path / "store", label_key="part")
    assert {key.rpartition("/")[2]: (row["found_label"], row["label_from"]) for key, row in found.items()} == {
        "8.png": ("lynx", ".cls"),
        "9.png": ("ocelot", ".json"),
        "10.png": ("lion", "metadata.csv"),
        **{f"{n}.png": ("cat", "partition part") for n in (11, 12, 13)},
    }


def test_rows_of_a_metadata_file_that_name_nothing_are_told(tmp_path: Path) -> None:
    rows = [
        ["8.png", "cat"],
        ["gone.png", "cat"],
        ["../8.png", "cat"],
        ["", "cat"],
        ["8.png", "dog"],
        ["/etc/passwd", "x"],
    ]
    put(tmp_path / "pool", {**pictures(), "metadata.csv": csv_text(["file_name", "label"], *rows) + "9.png,a,b\n"})
    found = occurrences(f"{tmp_path}/pool", tmp_path / "store")
    assert found["8.png"]["found_label"] == "cat"
    assert json.loads(found["8.png"]["metadata"]) == {"windrow_error": "metadata.csv line 6: names it again"}
    assert {key: row["unreadable"] for key, row in found.items() if row["unreadable"]} == {
        "gone.png": "file is gone: metadata.csv names it",
        "metadata.csv#line 4": "line 4 names no file below its folder",
        "metadata.csv#line 5": "line 5 names no file below its folder",
        "metadata.csv#line 7": "line 7 names no file below its folder",
        "metadata.csv#line 8": "line 8 has 3 fields, the header 2",
    }


@pytest.mark.parametrize("text", ["a,label\n8.png,cat\n", "file_name,file_name\n8.png,9.png\n", "", "\xff\xfe"])
def test_a_metadata_file_that_cannot_be_used_harms_no_picture(tmp_path: Path, text: str) -> None:
    put(tmp_path / "pool", {**pictures(), "metadata.csv": text.encode("latin-1")})
    found = occurrences(f"{tmp_path}/pool", tmp_path / "store")
    assert [row["unreadable"] for key, row in found.items() if key.endswith(".png")] == [None] * len(EXPECTED)
    told = [row["unreadable"] for key, row in found.items() if key.startswith("metadata")]
    assert len(told) == (0 if text.startswith("a,") else 1)


def test_a_changed_row_of_a_metadata_file_is_read_and_nothing_else(tmp_path: Path) -> None:
    put(tmp_path / "pool", {**pictures(), "metadata.csv": csv_text(["file_name", "label"], ["8.png", "cat"])})
    [before] = plan_shards([f"{tmp_path}/pool"])
    put(tmp_path / "pool", {"metadata.csv": csv_text(["file_name", "label"], ["8.png", "cat"], ["other.png", ""])})
    put(tmp_path / "pool", {"other.png": picture(30)})
    [after] = plan_shards([f"{tmp_path}/pool"])
    assert before.files == tuple(file for file in after.files if file.path != "other.png")
    put(tmp_path / "pool", {"metadata.csv": csv_text(["file_name", "label"], ["8.png", "dog"], ["other.png", ""])})
    assert plan_shards([f"{tmp_path}/pool"])[0].identity != after.identity


def test_hugging_face_finds_the_same_labels(tmp_path: Path) -> None:
    """What `datasets` itself reads from folders of classes and from metadata files, split by split."""
    for name in ("class_folders", "imagefolder_metadata_csv_of_subfolders", "imagefolder_metadata_of_splits"):
        LAYOUTS[name](tmp_path / name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves its files open
            splits = datasets.load_dataset("imagefolder", data_dir=f"{tmp_path}/{name}", cache_dir=f"{tmp_path}/cache")
            gc.collect()
        theirs: Labels = {}
        for split in splits.values():
            feature = split.features["label"]
            for row in split:
                label = feature.int2str(row["label"]) if isinstance(feature, datasets.ClassLabel) else row["label"]
                theirs[row["image"].width] = label
        assert found_labels(f"{tmp_path}/{name}", tmp_path / "store") == theirs == EXPECTED


@pytest.mark.parametrize("mode", [0, 16, 24])
def test_pixels_of_spark_are_a_picture_of_the_same_pixels_again_and_again(tmp_path: Path, mode: int) -> None:
    wanted = Image.open(io.BytesIO(picture(9))).convert({0: "L", 16: "RGB", 24: "RGBA"}[mode])
    (tmp_path / "pool").mkdir()
    pq.write_table(pa.table({"image": pa.array([spark_image(9, mode)])}), tmp_path / "pool" / "a.parquet")
    [done] = ingest_shards(tmp_path, plan_shards([f"{tmp_path}/pool"]), IngestConfig())
    table = open_output(tmp_path / done.path).read(OCCURRENCES)
    [(sample_id, data)] = read_samples(table)
    assert isinstance(data, bytes) and sample_id == sample_id_of(data)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode, image.tobytes()) == ("PNG", wanted.mode, wanted.tobytes())
    assert table["key"].to_pylist() == ["file:///data/9"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mode": 21}, "not supported: Spark image of OpenCV type 21 with 3 channels"),
        ({"nChannels": 1}, "not supported: Spark image of OpenCV type 16 with 1 channels"),
        ({"height": 10}, "damaged: 243 bytes for 9 x 10 pixels of 3 channels"),
        ({"mode": -1, "height": -1, "width": -1, "nChannels": -1, "data": b""}, "null image: Spark could not read it"),
    ],
)
def test_pixels_of_spark_that_are_no_picture_say_why(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    (tmp_path / "pool").mkdir()
    pq.write_table(pa.table({"image": pa.array([{**spark_image(9), **change}])}), tmp_path / "pool" / "a.parquet")
    [row] = occurrences(f"{tmp_path}/pool", tmp_path / "store").values()
    assert row["unreadable"] == reason


@pytest.mark.parametrize("source", ["", "/*.tar", "/00000.tar"])
def test_the_table_beside_a_tar_belongs_to_it_however_the_source_is_named(tmp_path: Path, source: str) -> None:
    img2dataset_tars(tmp_path / "pool")
    found = occurrences(f"{tmp_path}/pool{source}", tmp_path / "store")
    assert {row["found_label"] for row in found.values()} == set(EXPECTED.values())
    assert {row["caption"] for row in found.values()} == {"words"}
    assert json.loads(found["000000008"]["metadata"])["url"] == "http://x"
    [before] = plan_shards([f"{tmp_path}/pool{source}"])
    os.utime(tmp_path / "pool" / "00000.parquet", ns=(0, 1))
    assert plan_shards([f"{tmp_path}/pool{source}"])[0].identity != before.identity


def test_a_parquet_file_with_images_beside_a_tar_of_its_name_is_a_source(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    put_tar(tmp_path / "pool" / "a.tar", {"x.png": picture(8)})
    pq.write_table(pa.table({"image": [picture(9)], "key": ["x"]}), tmp_path / "pool" / "a.parquet")
    assert [(shard.kind, shard.table) for shard in plan_shards([f"{tmp_path}/pool"])] == [
        ("parquet", None),
        ("tar", None),
    ]


def test_folders_are_labels_as_the_setting_says(tmp_path: Path) -> None:
    LAYOUTS["class_folders"](tmp_path / "pool")
    LAYOUTS["class_folders_in_a_tar"](tmp_path / "tars")
    for source in ("pool", "tars"):
        for setting, place in ((True, "folder"), (False, None), ("auto", "folder by default")):
            found = occurrences(f"{tmp_path}/{source}", tmp_path / "store", folder_labels=setting)
            assert {row["label_from"] for row in found.values()} == {place}
            assert {row["found_label"] for row in found.values()} == (
                {None} if place is None else set(EXPECTED.values())
            )


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ("cat/1 dog/2", True),
        ("train/cat/1 train/dog/2 test/cat/3", True),
        ("train/cat/1 train/dog/2 unlabeled/3", True),
        ("0/1 1/2", True),
        ("00001/1 00002/2", True),
        ("cat/1 dog/2 3", False),
        ("cat/1 dog/x/2", False),
        ("cat/1 cat/2", False),
        ("train/1 test/2", False),
        ("2024/1 2025/2", False),
        ("2024-01-05/1 20240106/2", False),
        ("1999/1 dog/2", True),
        ("images/1 masks/2", False),
        (" ".join(f"s{n}/a" for n in range(30)), False),
        (" ".join(f"c{n % 15}/{n}" for n in range(30)), True),
    ],
)
def test_which_folders_may_be_classes(paths: str, expected: bool) -> None:
    assert are_class_folders(f"{path}.png" for path in paths.split()) == expected


@pytest.mark.parametrize(
    ("names", "choice", "samples"),
    [
        ("x.jpg x.seg.png", "auto", "x.jpg"),
        ("x.jpg x.mask.PNG x.depth.png x.png", "auto", "x.jpg x.png"),
        ("x.jpg x.edited.jpg x.1.jpg", "auto", "x.1.jpg x.edited.jpg x.jpg"),
        ("x.seg.png y.jpg", "auto", "x.seg.png y.jpg"),
        ("x.2024.jpg x.2025.jpg", "auto", "x.2024.jpg x.2025.jpg"),
        ("x.jpg x.seg.png", "all", "x.jpg x.seg.png"),
        ("x.jpg x.png", "jpg", "x.jpg"),
        ("v1.2.jpg v1.seg.png", "jpg", "v1.2.jpg"),
    ],
)
def test_the_role_of_files(tmp_path: Path, names: str, choice: str, samples: str) -> None:
    put(tmp_path / "pool", {name: picture(n) for n, name in enumerate(names.split(), 8)})
    found = occurrences(f"{tmp_path}/pool", tmp_path / "store", image_members=(choice,))
    assert list(found) == samples.split()
    others = len(names.split()) - len(found)
    assert {len(row["members"] or ()) for row in found.values()} == {others}


def test_a_file_that_is_no_member_to_be_read_and_accompanies_nothing_is_told(tmp_path: Path) -> None:
    put(tmp_path / "pool", {"x.jpg": picture(8), "y.png": picture(9)})
    found = occurrences(f"{tmp_path}/pool", tmp_path / "store", image_members=("jpg",))
    assert found["y.png"]["unreadable"] == "is none of ingest.image_members, jpg"


@pytest.mark.parametrize("mode", ["index", "copy"])
@pytest.mark.parametrize(
    ("name", "mask"),
    [
        ("mask_beside", "seg.png"),
        ("webdataset_with_a_mask", "seg.png"),
        ("imagefolder_metadata_with_masks", "mask.png"),
    ],
)
def test_a_mask_is_read_with_its_picture(tmp_path: Path, name: str, mask: str, mode: Any) -> None:
    LAYOUTS[name](tmp_path / "pool")
    done = ingest_shards(tmp_path, plan_shards([f"{tmp_path}/pool"]), IngestConfig(mode=mode))
    rows = pa.concat_tables([open_output(tmp_path / one.path).read(OCCURRENCES) for one in done])
    for sample_id, found in read_members(rows, tmp_path):
        assert isinstance(found, SampleBytes)
        number = next(n for n in EXPECTED if sample_id_of(picture(n)) == sample_id)
        assert found.members[mask] == picture(number + 50)


def test_sources_have_settings_of_their_own(tmp_path: Path) -> None:
    put(tmp_path / "a", {"8.png": picture(8), "8.json": '{"label": "x", "kind": "y"}'})
    put(tmp_path / "b", {"9.png": picture(9), "9.json": '{"label": "x", "kind": "y"}'})
    ingest = IngestConfig(group_key="label", label_key="none")
    shards = plan_shards([str(tmp_path / "a"), SourceConfig(uri=str(tmp_path / "b"), label_key="kind")], ingest)
    done = ingest_shards(tmp_path / "store", shards, ingest)
    rows = [row for one in done for row in open_output(tmp_path / "store" / one.path).read(OCCURRENCES).to_pylist()]
    assert [(row["found_label"], row["group"]) for row in rows] == [(None, "x"), ("y", "x")]
