"""Versions are listed, checked against their manifest, and compared."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_export import CLASSES, export, make_selection

from windrow.schemas.exported import EXPORTED_SAMPLES
from windrow.tasks.storage.files.parquet import write_table
from windrow.tasks.storage.files.seals import sealed_json
from windrow.tasks.storage.published.versions import (
    SAMPLES,
    diff_versions,
    is_version_name,
    latest_version,
    list_versions,
    open_version,
    read_manifest,
    version_number,
)
from windrow.tasks.storage.store.outputs import MANIFEST
from windrow.tasks.storage.verify.verification import verify


def rewrite(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def test_versions_are_listed_by_name_and_number(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    store = tmp_path / "store"
    assert list_versions(store) == []
    published = [export(store, rows[:n], name=name) for name, n in (("b", 6), ("a", 6), ("b", 8))]
    assert [(v.name, v.version) for v in list_versions(store)] == [("a", "v0001"), ("b", "v0001"), ("b", "v0002")]
    assert [v.n_samples for v in list_versions(store, "b")] == [6, 8]
    assert list_versions(store, "*") == list_versions(store, "c") == []
    last = latest_version(store, "b")
    assert last is not None and last.fingerprint == published[2].fingerprint
    later = (store / "curated" / "b" / "v0002").rename(store / "curated" / "b" / "v10000")
    assert list_versions(store, "b")[-1].path.name == "v0001"  # it says that it is v0002
    described = {**read_manifest(later), "version": "v10000"}
    (later / MANIFEST).unlink()
    (later / MANIFEST).write_text(sealed_json(described, ensure_ascii=False))
    assert list_versions(store, "b")[-1].path.name == "v10000"  # after v0001 as a number, before it as a text


def test_only_folders_named_as_versions_count(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    version = export(tmp_path, rows)
    for name in (".tmp-abc", "v1", "v0002.bak", "vanished"):
        folder = version.path.parent / name
        folder.mkdir()
        (folder / MANIFEST).write_text((version.path / MANIFEST).read_text())
    (version.path.parent / "v0003").mkdir()
    assert [v.version for v in list_versions(tmp_path)] == ["v0001"]


@given(st.integers(1, 10**6))
def test_numbers_and_names_agree(number: int) -> None:
    assert is_version_name(f"v{number:04d}") and version_number(f"v{number:04d}") == number


def test_no_version_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no version of a curated set"):
        open_version(tmp_path)
    with pytest.raises(ValueError, match="no version of a curated set"):
        verify(tmp_path)
    with pytest.raises(ValueError, match="got 'v12'"):
        version_number("v12")


def test_damage_is_found_and_named(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    version = export(tmp_path, rows)
    assert not verify(version.path).damage
    tar = version.path / "webdataset" / "train-000000.tar"
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    rewrite(tar, bytes(data))
    (version.path / "parquet" / "README.md").unlink()
    (version.path / "parquet" / "more.parquet").write_bytes(b"")
    damage = verify(version.path).damage
    assert [each.path for each in damage] == [
        "parquet/README.md",
        "parquet/more.parquet",
        "webdataset/train-000000.tar",
    ]
    assert [each.reason.split()[0] for each in damage] == ["is", "is", "SHA-256"]


def test_a_manifest_that_was_changed_to_fit_a_changed_shard_is_damage(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    version = export(tmp_path, rows)
    manifest = read_manifest(version.path)
    manifest["classes"] = manifest["classes"][::-1]
    rewrite(version.path / MANIFEST, sealed_json(manifest).encode())
    (damage,) = verify(version.path).damage
    assert (damage.path, damage.reason) == (MANIFEST, "its fingerprint is not that of its shards")


def test_a_difference_says_what_was_added_removed_relabelled_and_moved(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "it's here")
    old = export(tmp_path / "it's here", rows[:-1])
    changed = [dict(row) for row in rows[1:]]
    changed[0]["label"], changed[2]["label"] = "wheat", None
    changed[1]["split"] = "train"
    changed.sort(key=lambda row: (row["split"], row["rank"], row["sample_index"]))
    new = export(tmp_path / "it's here", changed)
    difference = diff_versions(old.path, new.path)
    assert difference.added.to_pylist() == [{name: rows[-1][name] for name in ("sample_id", "split", "label")}]
    assert difference.removed.to_pylist() == [{name: rows[0][name] for name in ("sample_id", "split", "label")}]
    assert difference.relabelled.to_pylist() == sorted(
        [
            {"sample_id": rows[1]["sample_id"], "old": rows[1]["label"], "new": "wheat"},
            {"sample_id": rows[3]["sample_id"], "old": rows[3]["label"], "new": None},
        ],
        key=lambda row: str(row["sample_id"]),
    )
    assert difference.moved.to_pylist() == [{"sample_id": rows[2]["sample_id"], "old": "test", "new": "train"}]
    with pytest.raises(ValueError, match="no version of a curated set"):
        diff_versions(old.path, tmp_path)


Labels = dict[str, tuple[str, str | None]]
ids = st.sampled_from([f"{n:032x}" for n in range(8)])
versions = st.dictionaries(ids, st.tuples(st.sampled_from(["train", "test"]), st.sampled_from([*CLASSES, None])))


def samples_only(folder: Path, labels: Labels) -> Path:
    """What `diff_versions` reads of a version."""
    folder.mkdir(exist_ok=True)
    fixed: dict[str, Any] = {"sample_index": 0, "rank": 1, "sample_weight": 1.0, "cluster_path": [0], "group_id": "g"}
    fixed |= {"width": 1, "height": 1, "format": "PNG", "n_bytes": 1}
    columns = {name: [value] * len(labels) for name, value in fixed.items()}
    columns["source_uri"] = ["pool"] * len(labels)
    columns |= {"sample_id": list(labels), "split": [s for s, _ in labels.values()]}
    columns["label"] = [label for _, label in labels.values()]
    write_table(EXPORTED_SAMPLES, EXPORTED_SAMPLES.build(columns), folder / SAMPLES)
    (folder / MANIFEST).write_text("{}")
    return folder


@given(versions, versions)
@settings(max_examples=25, deadline=None)
def test_a_difference_is_that_of_the_sets(tmp_path_factory: pytest.TempPathFactory, old: Labels, new: Labels) -> None:
    folder = tmp_path_factory.mktemp("diff")
    found = diff_versions(samples_only(folder / "old", old), samples_only(folder / "new", new))
    assert found.added["sample_id"].to_pylist() == sorted(set(new) - set(old))
    assert found.removed["sample_id"].to_pylist() == sorted(set(old) - set(new))
    both = sorted(set(old) & set(new))
    assert found.relabelled["sample_id"].to_pylist() == [each for each in both if old[each][1] != new[each][1]]
    assert found.moved["sample_id"].to_pylist() == [each for each in both if old[each][0] != new[each][0]]
