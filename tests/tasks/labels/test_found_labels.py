"""What a run says of the labels that it found, and what it does with those that mean that there is none."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from inline_run import curate_inline
from layouts import ANIMALS, EXPECTED, LAYOUTS, csv_text, picture, pictures, put, put_tar
from small_export import read_with_webdataset

from windrow.flows.summary import read_summary, summarise
from windrow.tasks.config import parse_config
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.labels.found_labels import read_found_labels
from windrow.tasks.labels.given_labels import given_labels
from windrow.tasks.labels.unlabelled import UNLABELLED
from windrow.tasks.storage.catalog.views import connect, open_catalog, tables_of
from windrow.tasks.storage.published.versions import latest_version, read_manifest
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.outputs import Output, open_output
from windrow.tasks.storage.store.run_records import Run
from windrow.tasks.texts.markdown import inline

NOT_SEEN = "no sidecars, columns or class folders were seen"


def ingested(source: Path, store: Path, **settings: Any) -> dict[str, list[Output]]:
    config = IngestConfig(**settings)
    done = ingest_shards(store, plan_shards([str(source)], config), config)
    return {"ingest": [open_output(store / one.path) for one in done]}


def told(source: Path, store: Path, **settings: Any) -> str:
    [found] = read_found_labels(connect(tables_of(ingested(source, store, **settings))))
    assert found.source == str(source)
    return found.told()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("cls_beside", "labels: 6 of 6 from .cls; captions: 0 of 6"),
        ("json_after_the_whole_name", "labels: 6 of 6 from .png.json; captions: 0 of 6"),
        ("parquet", "labels: 6 of 6 from column label; captions: 0 of 6"),
        ("hugging_face_class_label_of_another_name", "labels: 6 of 6 from column fine_label; captions: 0 of 6"),
        ("parquet_hive", "labels: 6 of 6 from partition label; captions: 0 of 6"),
        ("imagefolder_metadata_jsonl", "labels: 6 of 6 from metadata.jsonl; captions: 0 of 6"),
        ("img2dataset_tars", "labels: 6 of 6 from column label of 00000.parquet; captions: 6 of 6"),
        (
            "class_folders_in_sorted_tars",
            "labels: 6 of 6 from folder by default (each picture lies one folder down; ingest.folder_labels: false if "
            "these are no classes); captions: 0 of 6",
        ),
        ("folders_of_dates", f"labels: 0 of 6 ({NOT_SEEN}); captions: 0 of 6"),
        (
            "webdataset_with_a_mask",
            "labels: 6 of 6 from .cls; captions: 0 of 6; members a key: png 6, seg.png 6 (accompany)",
        ),
        (
            "hugging_face_class_label_without",
            "labels: 3 of 6 from column label; unlabelled: 2 (empty 2); captions: 0 of 6",
        ),
    ],
)
def test_where_labels_come_from_is_told(tmp_path: Path, name: str, line: str) -> None:
    LAYOUTS[name](tmp_path / "pool")
    assert told(tmp_path / "pool", tmp_path / "store") == line


def test_where_there_are_no_labels_what_was_seen_is_told(tmp_path: Path) -> None:
    columns = {"image": [picture(8)], "category": ["cat"], "boxes": [[[1.0]]], "mask": [b"x"]}
    (tmp_path / "parquet").mkdir()
    pq.write_table(pa.table(columns), tmp_path / "parquet" / "a.parquet")
    seen = "(seen: columns boxes, category, image, mask)"
    assert told(tmp_path / "parquet", tmp_path / "store").startswith(f"labels: 0 of 1 {seen};")
    put(
        tmp_path / "loose",
        {"8.png": picture(8), "8.json": '{"class": "cat", "iso": 100}', "8.npy": "x", "8.txt": "words"},
    )
    seen = "(seen: sidecars .json, .npy, .txt; fields class, iso)"
    assert told(tmp_path / "loose", tmp_path / "store") == f"labels: 0 of 1 {seen}; captions: 1 of 1"
    put(tmp_path / "table", {"8.png": picture(8), "metadata.csv": csv_text(["file_name", "kind"], ["8.png", "cat"])})
    assert told(tmp_path / "table", tmp_path / "store").startswith("labels: 0 of 1 (seen: columns kind);")


@pytest.mark.parametrize("way", ["json", "column", "class_label"])
def test_lists_of_classes_are_no_labels_and_are_told(tmp_path: Path, way: str) -> None:
    pool, lists = tmp_path / "pool", [["cat", "dog"], ["dog"], [], ["cat", "owl", "dog"]]
    if way == "json":
        put(pool, {f"{n}.png": picture(n) for n in range(8, 12)})
        put(pool, {f"{n}.json": json.dumps({"label": each}) for n, each in enumerate(lists, 8)})
    else:
        pool.mkdir()
        names = ["cat", "dog", "owl"]
        values = [[names.index(name) for name in each] for each in lists] if way == "class_label" else lists
        feature = {"_type": "Sequence", "feature": {"names": names, "_type": "ClassLabel"}}
        described = json.dumps({"info": {"features": {"label": feature}}}) if way == "class_label" else "{}"
        table = pa.table({"image": [picture(n) for n in range(8, 12)], "label": values})
        pq.write_table(table.replace_schema_metadata({"huggingface": described}), pool / "a.parquet")
    outputs = ingested(pool, tmp_path / "store")
    assert given_labels("found", outputs)["label"].to_pylist() == ["dog"]
    [found] = read_found_labels(connect(tables_of(outputs)))
    assert found.n_several == 2
    said = "several classes at once: 2 (a sample has one label; these stay in the metadata); captions"
    assert f"unlabelled: 1 (empty 1); {said}" in found.told()
    kept = connect(tables_of(outputs)).sql("SELECT metadata ->> '$.label' FROM occurrences").fetchall()
    assert sorted(json.loads(text) for (text,) in kept if text) == [["cat", "dog"], ["cat", "owl", "dog"]]


def test_members_of_one_key_that_are_all_samples_are_told(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    put_tar(
        tmp_path / "pool" / "a.tar",
        {f"{n}.{end}": picture(m) for n, (end, m) in enumerate([("png", 8)])} | {"0.jpg": picture(9)},
    )
    assert told(tmp_path / "pool", tmp_path / "store").endswith("; members a key: jpg 1, png 1")


def test_folders_of_a_source_with_one_name_or_other_labels_are_no_classes(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    put_tar(tmp_path / "one" / "a.tar", {f"holidays/{n}.png": picture(n) for n in EXPECTED})
    outputs = ingested(tmp_path / "one", tmp_path / "store")
    assert given_labels("found", outputs).num_rows == 0
    assert told(tmp_path / "one", tmp_path / "store").startswith("labels: 0 of 6")
    LAYOUTS["class_folders_in_a_tar"](tmp_path / "two")
    put_tar(tmp_path / "two" / "labelled.tar", {"8.png": picture(20), "8.cls": "lynx"})
    outputs = ingested(tmp_path / "two", tmp_path / "store")
    assert given_labels("found", outputs)["label"].to_pylist() == ["lynx"]


SPELT = ("cat", "-1", "", "Unlabeled", "unsup", "dog")


@pytest.mark.parametrize("way", ["sidecar", "json", "column", "metadata", "folder", "list", "file"])
def test_unlabelled_has_a_spelling_wherever_a_label_comes_from(tmp_path: Path, way: str) -> None:
    pool, store, source, labels = tmp_path / "pool", tmp_path / "store", str(tmp_path / "pool"), "found"
    spelt = dict(zip(EXPECTED, SPELT, strict=True))
    if way == "sidecar":
        put(pool, {**pictures(), **{f"{n}.cls": text for n, text in spelt.items()}})
    elif way == "json":
        put(pool, {**pictures(), **{f"{n}.json": json.dumps({"label": text}) for n, text in spelt.items()}})
    elif way == "column":
        pool.mkdir()
        pq.write_table(pa.table({"image": list(pictures().values()), "label": list(SPELT)}), pool / "a.parquet")
    elif way == "metadata":
        rows = [[f"{n}.png", text] for n, text in spelt.items()]
        put(pool, {**pictures(), "metadata.csv": csv_text(["file_name", "label"], *rows)})
    elif way == "folder":
        put(pool, {f"{text or 'unlabelled'}/{n}.png": picture(n) for n, text in spelt.items()})
    elif way == "list":
        put(pool, {**pictures(), "a.csv": csv_text(["path", "label"], *[[f"{n}.png", t] for n, t in spelt.items()])})
        source = f"list:{pool}/a.csv"
    else:
        labels = str(tmp_path / "labels.csv")
        put(pool, pictures())
        put(tmp_path, {"labels.csv": csv_text(["key", "label"], *[[f"{n}.png", text] for n, text in spelt.items()])})
    outputs = ingested(Path(source) if not source.startswith("list:") else source, store)  # type: ignore[arg-type]
    assert set(given_labels(labels, outputs)["label"].to_pylist()) == {"cat", "dog"}
    unspelt = given_labels(labels, outputs, unlabelled=())
    assert {"-1", "unsup"} <= set(unspelt["label"].to_pylist())
    [found] = read_found_labels(connect(tables_of(outputs)), UNLABELLED)
    taken = {"folder": 4, "metadata": 3, "list": 3, "file": 0}.get(way, 4)
    assert (sum(found.unlabelled.values()), found.n_labels) == (taken, 0 if way == "file" else 2)


def curated(tmp_path: Path, **changes: Any) -> Run:
    values = {
        "sources": [str(tmp_path / "pool")],
        "name": "some",
        "store": str(tmp_path / "store"),
        "features": {"name": "patches"},
        "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
        "selection": {"target_size": 100},
        **changes,
    }
    return curate_inline(parse_config(values))


@pytest.mark.parametrize("label_set", ["pseudo", "cluster_1"])
def test_without_classes_clusters_are_exported_as_clusters_and_nothing_as_a_label(
    tmp_path: Path, label_set: str
) -> None:
    put(tmp_path / "pool", {f"{n}.png": picture(n) for n in range(8, 28)})
    run = curated(tmp_path, export={"label_set": label_set})
    version = latest_version(run.store, "some")
    assert version is not None and read_manifest(version.path)["classes"] == []
    told = read_summary(run)
    assert not told.has_classes and "No label came with the samples" in summarise(run)
    level = 0 if label_set == "cluster_1" else -1
    samples = read_with_webdataset([str(path) for path in version.path.glob("webdataset/*.tar")])
    for sample in samples:
        described = json.loads(sample["json"])
        assert (described["label"], described["classes"], described["confidence"]) == (None, None, None)
        assert described["cluster"] == described["cluster_path"][level]
        assert "cls" not in sample
    table = pq.read_table(version.path / "samples.parquet")
    assert table["label"].null_count == len(table) == len(samples)
    assert {row[0] for row in open_catalog(run.store).sql("SELECT DISTINCT label FROM curated").fetchall()} == {None}


def test_a_mask_travels_into_the_export_and_the_run_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    LAYOUTS["webdataset_with_a_mask"](tmp_path / "pool")
    caplog.set_level("INFO")
    run = curated(tmp_path)
    version = latest_version(run.store, "some")
    assert version is not None and version.n_samples == len(EXPECTED)
    for sample in read_with_webdataset([str(path) for path in version.path.glob("webdataset/*.tar")]):
        number = next(n for n in EXPECTED if picture(n) == sample["png"])
        assert sample["seg.png"] == picture(number + 50)
        assert json.loads(sample["json"])["label"] == EXPECTED[number]
    line = f"{tmp_path}/pool: labels: 6 of 6 from .cls; captions: 0 of 6; members a key: png 6, seg.png 6 (accompany)"
    assert read_summary(run).found == (line,)
    assert inline(line) in summarise(run)
    assert set(open_catalog(run.store).sql("SELECT label FROM curated").fetchall()) == {(name,) for name in ANIMALS}


def test_the_summary_says_how_many_unlabelled_it_took_by_the_spellings_of_the_config(tmp_path: Path) -> None:
    put(
        tmp_path / "pool",
        {**pictures(), **{f"{n}.cls": t for n, t in zip(EXPECTED, ("x", "y", "-1", "?", "?", "x"), strict=True)}},
    )
    run = curated(tmp_path, labels={"unlabelled": ["?", -1]})
    assert read_summary(run).found == (
        f"{tmp_path}/pool: labels: 3 of 6 from .cls; unlabelled: 3 (? 2, -1 1); captions: 0 of 6",
    )
    assert replace(read_summary(run), found=()).has_classes
