"""Versions are complete, immutable and numbered, and are not published twice."""

import hashlib
import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from small_export import CLASSES, export, make_selection, plan_table

from windrow.schemas.exported import DESCRIBED, EXPORTED_SAMPLES, with_tars
from windrow.tasks.export import publication as publish
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.export.export_plan import plan_export
from windrow.tasks.export.publication import publish_version
from windrow.tasks.export.shard_writing import write_export_shard
from windrow.tasks.storage.published.versions import (
    SAMPLES,
    Version,
    latest_version,
    list_versions,
    read_manifest,
)
from windrow.tasks.storage.sources.source_shard import sample_id_of
from windrow.tasks.storage.store.outputs import Done
from windrow.tasks.storage.verify.verification import verify


def contents(version: Version) -> dict[str, bytes]:
    return {str(p.relative_to(version.path)): p.read_bytes() for p in version.path.rglob("*") if p.is_file()}


def test_a_version_has_its_shards_by_split_a_card_for_each_format_and_a_manifest(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    version = export(tmp_path / "store", rows)
    assert sorted(contents(version)) == [
        "attribution.csv",
        "classes.txt",
        "manifest.json",
        "parquet/README.md",
        "parquet/test-00000-of-00001.parquet",
        "parquet/train-00000-of-00002.parquet",
        "parquet/train-00001-of-00002.parquet",
        "samples.parquet",
        "webdataset/README.md",
        "webdataset/test-000000.tar",
        "webdataset/train-000000.tar",
        "webdataset/train-000001.tar",
    ]
    assert (version.name, version.version, version.created) == ("fields", "v0001", True)
    assert version.path == tmp_path / "store" / "curated" / "fields" / "v0001"
    assert (version.n_samples, version.n_shards) == (12, 3)
    assert version.n_bytes == sum(map(len, contents(version).values()))


def test_the_manifest_counts_and_names_everything(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    version = export(tmp_path / "store", rows, provenance={"rank": "abc"})
    manifest = read_manifest(version.path)
    counts = manifest["counts"]
    assert [(uri, one["n"]) for uri, one in counts.pop("source").items()] == [(str(tmp_path / "source"), 12)]
    assert len(counts.pop("channel_means")) == 3
    assert counts == {
        "split": {"train": 9, "test": 3},
        "class": {"barley": 3, "rye": 3, "wheat": 3},
        "unlabelled": 3,
        "license": {"CC-BY-4.0": 4, "ask me": 4},
        "unlicensed": 4,
        "attribution": {"asked": 8, "without_author": 7, "without_source": 8},
        "cluster": {"0": 4, "1": 4, "2": 4},
    }
    assert manifest["classes"] == (version.path / "classes.txt").read_text().split() == ["barley", "rye", "wheat"]
    assert manifest["provenance"] == {"rank": "abc"}
    assert manifest["config"]["samples_per_shard"] == 5
    found = {name: hashlib.sha256(data).hexdigest() for name, data in contents(version).items()}
    del found["manifest.json"]
    assert {file["path"]: file["sha256"] for file in manifest["files"]} == found
    for layout in ("webdataset/", "parquet/"):
        shards = [file for file in manifest["files"] if file["path"].startswith(layout) and "n_samples" in file]
        assert [(file["split"], file["n_samples"]) for file in shards] == [("test", 3), ("train", 5), ("train", 4)]


def test_samples_parquet_has_every_sample_without_its_bytes(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    version = export(tmp_path / "store", rows).path
    samples = with_tars(EXPORTED_SAMPLES).validate(pq.read_table(version / "samples.parquet")).to_pylist()
    assert [{name: sample[name] for name in DESCRIBED} for sample in samples] == [
        {name: row[name] for name in DESCRIBED} for row in rows
    ]
    assert {sample["tar"] for sample in samples} == {
        f"webdataset/{name}.tar" for name in ("test-000000", "train-000000", "train-000001")
    }
    for sample in samples:
        with (version / sample["tar"]).open("rb") as tar:
            tar.seek(sample["tar_offset"])
            assert sample_id_of(tar.read(sample["n_bytes"])) == sample["sample_id"]
    only_parquet = pq.read_table(export(tmp_path / "other", rows, ExportConfig(formats=("parquet",))).path / SAMPLES)
    assert [only_parquet[name].null_count for name in ("tar", "tar_offset")] == [len(rows)] * 2


def test_shards_are_links_that_nobody_writes_to(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    version = export(tmp_path / "store", rows)
    shards = [p for p in version.path.rglob("*") if p.suffix == ".tar" or p.parent.name == "parquet"]
    assert {p.stat().st_nlink for p in shards if p.name != "README.md"} == {2}
    assert {p.stat().st_mode & 0o777 for p in version.path.rglob("*") if p.is_file()} == {0o444}


def test_where_links_fail_shards_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = make_selection(tmp_path / "source")
    linked = export(tmp_path / "a", rows)

    def refuse(self: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link", str(self), None, str(target))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    copied = export(tmp_path / "b", rows)
    assert contents(copied) == contents(linked)
    assert (copied.path / "webdataset" / "train-000000.tar").stat().st_nlink == 1
    assert not verify(copied.path).damage


def test_equal_content_is_not_published_again_whatever_it_was_made_from(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    first = export(tmp_path / "store", rows)
    before = contents(first)
    again = export(tmp_path / "store", rows, provenance={"rank": "made otherwise"})
    assert again == replace(first, created=False)
    assert contents(first) == before
    assert [v.version for v in list_versions(tmp_path / "store")] == ["v0001"]


def test_another_label_licence_or_shard_size_is_another_version_and_the_old_one_stays(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    store = tmp_path / "store"
    first = export(store, rows)
    before = contents(first)
    relabelled = [{**rows[0], "label": "rye"}, *rows[1:]]
    assert export(store, relabelled).version == "v0002"
    assert export(store, relabelled, ExportConfig(samples_per_shard=5, license="cc0-1.0")).version == "v0003"
    assert export(store, relabelled, ExportConfig(samples_per_shard=6, license="cc0-1.0")).version == "v0004"
    back = export(store, rows)  # what v0001 holds, but not what the latest does
    assert (back.version, back.created, back.fingerprint) == ("v0005", True, first.fingerprint)
    assert contents(first) == before
    assert all(not verify(version.path).damage for version in list_versions(store))


def test_the_same_selection_gives_the_same_version_byte_for_byte_in_another_store(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    assert contents(export(tmp_path / "a", rows)) == contents(export(tmp_path / "b", rows))


def test_what_a_killed_publisher_left_is_no_version(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    store = tmp_path / "store"
    shards = plan_export(store, plan_table(rows), ExportConfig(samples_per_shard=5), CLASSES)
    for shard in shards:
        write_export_shard(store, shard, ExportConfig(samples_per_shard=5))
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from small_export import CLASSES, ExportConfig, export, make_selection
from windrow.tasks.export import publication as publish
publish.publish_directory = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
rows, _ = make_selection(Path({str(tmp_path / "source")!r}))
export(Path({str(store)!r}), rows)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    left = list((store / "curated" / "fields").iterdir())
    assert len(left) == 1 and (left[0] / "manifest.json").exists()  # all there but the name
    assert list_versions(store) == [] and latest_version(store, "fields") is None
    version = export(store, rows)
    assert version.version == "v0001"
    assert contents(version) == contents(export(tmp_path / "undisturbed", rows))


def racing(
    store: Path, rows: list[dict[str, Any]], other: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Publish `rows` while another publisher takes the number at the last moment, with `other`."""
    rename = publish.publish_directory
    raced = threading.Event()

    def lose(folder: Path, final: Path) -> bool:
        if not raced.is_set():
            raced.set()
            assert export(store, other).created
        return rename(folder, final)

    monkeypatch.setattr(publish, "publish_directory", lose)
    return export(store, rows)


def test_who_comes_second_takes_the_next_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = make_selection(tmp_path / "source")
    store = tmp_path / "store"
    version = racing(store, rows, rows[:6], monkeypatch)
    assert (version.version, version.created, version.n_samples) == ("v0002", True, 12)
    assert [v.n_samples for v in list_versions(store)] == [6, 12]
    assert "fields v0002" in (version.path / "parquet" / "README.md").read_text()
    assert read_manifest(version.path)["version"] == "v0002"
    assert all(not verify(v.path).damage for v in list_versions(store))
    assert {p.name for p in version.path.parent.iterdir()} == {"v0001", "v0002"}


def test_who_comes_second_with_the_same_finds_it_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = make_selection(tmp_path / "source")
    version = racing(tmp_path / "store", rows, rows, monkeypatch)
    assert (version.version, version.created) == ("v0001", False)
    assert {p.name for p in version.path.parent.iterdir()} == {"v0001"}


def test_many_publishers_at_once_publish_one_version(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    store = tmp_path / "store"
    config = ExportConfig()
    shards = plan_export(store, plan_table(rows), config, CLASSES)
    dones = [write_export_shard(store, shard, config) for shard in shards]
    found: list[Version] = []
    start = threading.Barrier(4)

    def run() -> None:
        start.wait()
        found.append(publish_version(store, "fields", shards, dones, config, {}))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and sum(version.created for version in found) == 1
    assert [v.version for v in list_versions(store)] == ["v0001"]


def test_a_folder_that_lost_its_manifest_keeps_its_number(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    first = export(tmp_path / "store", rows)
    (first.path / "manifest.json").unlink()
    assert export(tmp_path / "store", rows).version == "v0002"


def test_gone_samples_are_left_out_and_a_shard_of_them_only_too(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 12)
    (tmp_path / "source" / "b.tar").unlink()
    gone = {row["sample_id"] for row in rows if row["kind"] == "tar"}
    version = export(tmp_path / "store", rows, ExportConfig(samples_per_shard=1))
    samples = pq.read_table(version.path / "samples.parquet")["sample_id"].to_pylist()
    assert samples == [row["sample_id"] for row in rows if row["sample_id"] not in gone]
    assert version.n_shards == len(samples) == len(list((version.path / "webdataset").glob("*.tar")))
    assert (version.path / "parquet" / f"train-{5:05d}-of-{6:05d}.parquet").exists()
    assert not verify(version.path).damage


def test_nothing_to_publish_and_what_does_not_fit_are_refused(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    config = ExportConfig()
    shards = plan_export(tmp_path, plan_table(rows), config, CLASSES)
    dones = [write_export_shard(tmp_path, shard, config) for shard in shards]

    def refused(message: str, name: str = "x", dones: list[Done] = dones, shards: Any = shards) -> None:
        with pytest.raises(ValueError, match=message):
            publish_version(tmp_path, name, shards, dones, config, {})

    refused("nothing to publish", dones=[], shards=[])
    refused("one for each of 2 shards, got 1", dones=dones[:1])
    refused("test 0 has 3 samples", dones=dones[::-1])
    for name in ("", "../up", ".hidden", "a b", "a/b"):
        refused("name: wants", name=name)
    assert list_versions(tmp_path) == [] and not (tmp_path / "curated").exists()
    for file in (tmp_path / "source").iterdir():
        file.unlink()
    lost = [
        write_export_shard(tmp_path / "other", s, config)
        for s in plan_export(tmp_path / "other", plan_table(rows), config, CLASSES)
    ]
    with pytest.raises(ValueError, match="all are gone"):
        publish_version(tmp_path / "other", "x", shards, lost, config, {})


def test_the_manifest_reads_well(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", labels=["Äpfel | Birnen"] * 12)
    version = export(tmp_path / "store", rows, classes=["Äpfel | Birnen"])
    text = (version.path / "manifest.json").read_text()
    assert list(json.loads(text))[:3] == ["name", "version", "fingerprint"]
    assert "Äpfel | Birnen" in text
    assert r"| Äpfel \| Birnen | 12 |" in (version.path / "webdataset" / "README.md").read_text()
