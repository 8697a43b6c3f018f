"""Whatever labels a pool came with, it is exported and read back; nothing is refused, and nothing of them is lost."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from hostile_labels import HOSTILE, hostile_labels
from inline_run import curate_inline
from PIL import Image

from windrow.schemas.texts.label_text import label_of
from windrow.tasks.config import parse_config
from windrow.tasks.loading.webdataset_pipeline import open_webdataset
from windrow.tasks.storage.published.versions import Version, latest_version, read_manifest
from windrow.tasks.storage.sources.source_shard import sample_id_of

LABELS = (*HOSTILE, *hostile_labels(40))


def kept(text: str) -> str | None:
    try:
        return label_of(text)
    except ValueError:
        return None


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def write_pool(folder: Path) -> dict[str, str]:
    """Write each label twice over: in `.cls`, `.json`, Parquet or as a folder; return them by sample_id."""
    said: dict[str, str] = {}
    loose, tar, table = folder / "loose", folder / "some.tar", folder / "rows.parquet"
    rows: dict[str, list[Any]] = {"image": [], "label": []}
    with webdataset.TarWriter(str(tar), mtime=0) as writer:
        for number, label in enumerate(LABELS):
            data = [picture(2 * number + turn) for turn in range(2)]
            said.update({sample_id_of(each): label for each in data})
            fields = json.dumps({"label": label}).encode()
            writer.write({"__key__": f"{number:04d}", "png": data[0], "json": fields, f"{'z' * 180}.txt": b"beside"})
            if number % 3 == 0 and is_utf8(label):
                rows["image"].append(data[1])
                rows["label"].append(label)
                continue
            named = number % 3 == 1 and is_folder(label)
            place = loose / (label if named else "others")
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number}.png").write_bytes(data[1])
            if not named:
                (place / f"{number}.cls").write_bytes(label.encode("utf-8", "replace"))
                if not label.strip():
                    said[sample_id_of(data[1])] = "others"
    pq.write_table(pa.table(rows), table)
    return said


def is_utf8(label: str) -> bool:
    return label == label.encode("utf-8", "replace").decode()


def is_folder(label: str) -> bool:
    return is_utf8(label) and 0 < len(label.encode()) < 255 and not set(label) & {"/", "\0"} and label[0] not in "._"


def curate(folder: Path, store: str, **labels: Any) -> Version:
    values = {
        "sources": [str(folder / name) for name in ("loose", "some.tar", "rows.parquet")],
        "store": str(folder / store),
        "ingest": {"folder_labels": True},
        "features": {"name": "patches"},
        "clustering": {"n_clusters": [4], "n_rounds": 1},
        "labels": {"makers": ["knn"], "combine": ["knn"], **labels},
        "worth": {"holdout_share": 0},
        "selection": {"target_share": 1.0, "near_duplicate_threshold": 1.0, "last": None},
        "export": {"label_set": "given"},
    }
    run = curate_inline(parse_config(values))
    version = latest_version(run.store, run.name)
    assert version is not None
    return version


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("hostile")
    return folder, write_pool(folder)


def read_back(version: Version) -> dict[str, dict[str, Any]]:
    """The JSON of every sample in the tars; label, classes and Parquet say the same."""
    classes = (version.path / "classes.txt").read_text(encoding="utf-8").splitlines()
    assert classes == read_manifest(version.path)["classes"]
    found = {}
    for _, index, info in open_webdataset(version.path):
        assert info["label"] == (None if index is None else classes[index])
        found[info["sample_id"]] = info
    table = pa.concat_tables([pq.read_table(path) for path in sorted((version.path / "parquet").glob("*.parquet"))])
    assert {row["sample_id"]: row["label"] for row in table.to_pylist()} == {k: v["label"] for k, v in found.items()}
    return found


def test_labels_that_came_with_samples_are_exported_and_none_is_lost(pool: tuple[Path, dict[str, str]]) -> None:
    folder, said = pool
    found = read_back(curate(folder, "store"))
    assert {sample: info["label"] for sample, info in found.items()} == {name: kept(said[name]) for name in said}
    beside = {each for info in found.values() for each in info["provenance"]["members"].split("/")}
    assert {len(each) for each in beside if "z" in each} == {150}
    for sample, info in found.items():
        text = said[sample].encode("utf-8", "replace").decode()
        spelt = json.loads(info["metadata"] or "{}").get("windrow_label", info["label"])
        assert (spelt or "").strip() == text.strip()


def test_the_same_labels_in_a_file_are_the_same(pool: tuple[Path, dict[str, str]]) -> None:
    folder, said = pool
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sample_id", "label"])
        writer.writerows((name, text) for name, text in said.items() if is_utf8(text) and len(text) <= 1000)
    found = read_back(curate(folder, "another", given=str(folder / "labels.csv")))
    for sample, info in found.items():
        assert info["label"] == (kept(said[sample]) if is_utf8(said[sample]) else None)
