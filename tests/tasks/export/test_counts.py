"""What a version counts of its sources, its colours, and whom its pictures are by."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from small_export import export, export_images, image_bytes, make_selection

from windrow.tasks.export import channel_means
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.pictures.decoding import decode_rgb
from windrow.tasks.storage.published.attribution_file import TITLE_KEYS
from windrow.tasks.storage.published.versions import read_manifest


def colours(images: list[bytes]) -> np.ndarray:
    return np.mean([np.asarray(decode_rgb(data)).mean(axis=(0, 1)) / 255 for data in images], axis=0)


def test_each_source_has_its_counts_and_its_colours(tmp_path: Path) -> None:
    rows, data = make_selection(tmp_path / "source", 24)
    for number, row in enumerate(rows):
        row["source_uri"] = f"{row['source_uri']}/." if number % 3 else row["source_uri"]
    manifest = read_manifest(export(tmp_path / "store", rows).path)
    found = manifest["counts"]["source"]
    assert list(found) == [f"{tmp_path}/source/.", f"{tmp_path}/source"]
    for uri, one in found.items():
        mine = [row for row in rows if row["source_uri"] == uri]
        labels = [row["label"] for row in mine]
        assert (one["n"], one["unlabelled"]) == (len(mine), labels.count(None))
        assert one["largest_classes"] == {name: labels.count(name) for name in one["largest_classes"]}
        assert one["n_classes"] == len(set(labels) - {None})
        assert sum(one["license"].values()) + one["unlicensed"] == one["n"] == one["n_measured"]
        assert np.allclose(one["channel_means"], colours([data[row["sample_id"]] for row in mine]), atol=1e-4)
    assert np.allclose(manifest["counts"]["channel_means"], colours(list(data.values())), atol=1e-4)
    assert sum(one["n"] for one in found.values()) == manifest["n_samples"]


def test_of_many_pictures_some_stand_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_means, "PER_SOURCE", 8)
    images = [image_bytes(seed, "JPEG", 32) for seed in range(40)]
    version = export_images(tmp_path / "store", tmp_path / "source", images, per_shard=20)
    [one] = read_manifest(version)["counts"]["source"].values()
    assert (one["n"], one["n_measured"]) == (40, 16)
    assert np.allclose(one["channel_means"], colours(images), atol=0.02)


def test_pictures_are_measured_in_their_order_and_what_cannot_be_read_has_no_row() -> None:
    images = [image_bytes(seed, "PNG", 40) for seed in range(channel_means.BATCH_IMAGES + 3)]
    images[5] = b"no picture"
    measured = channel_means.Measured()
    assert measured.rows() == []
    for number, data in enumerate(images):
        measured.add(str(number), data)
    rows = measured.rows()
    assert [row["sample_id"] for row in rows] == [str(number) for number in range(len(images)) if number != 5]
    for row in rows:
        pixels = np.asarray(decode_rgb(images[int(row["sample_id"])], channel_means.SIDE))
        assert [row["red"], row["green"], row["blue"]] == (pixels.mean(axis=(0, 1)) / 255).tolist()


def test_the_file_of_attribution_names_whose_each_picture_is_where_that_may_be_asked_for(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 12)
    licences = ["CC-BY-4.0", "CC0-1.0", "CC-BY-SA-3.0-DE", "MIT", "ask me", None]
    for number, row in enumerate(rows):
        key = TITLE_KEYS[number % 3].title()
        row |= {"license": licences[number % 6], "author": "=A. N. Other, the elder" if number % 4 else None}
        row |= {"source_url": f"https://x.org/{number}", "metadata": json.dumps({key: f"Field\n{number}", "x": 1})}
    version = export(tmp_path / "store", rows, ExportConfig(samples_per_shard=2))
    with (version.path / "attribution.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    urls = {
        "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
        "CC-BY-SA-3.0-DE": "https://creativecommons.org/licenses/by-sa/3.0/de/",
    }
    assert found == [
        {
            "sample_id": row["sample_id"],
            "title": f"Field {number}",
            "author": "'=A. N. Other, the elder" if number % 4 else "",  # a spreadsheet would run it
            "source": f"https://x.org/{number}",
            "licence": row["license"],
            "licence_url": urls.get(row["license"], ""),
        }
        for number, row in enumerate(rows)
        if row["license"] not in (None, "CC0-1.0")
    ]
    counts = read_manifest(version.path)["counts"]["attribution"]
    n_authors = sum(each["author"] != "" for each in found)
    assert counts == {"asked": 8, "without_author": 8 - n_authors, "without_source": 0}


def test_a_card_says_nothing_is_asked_where_nothing_is(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    version = export(tmp_path / "store", [{**row, "license": "CC0-1.0"} for row in rows])
    assert (version.path / "attribution.csv").read_text() == "sample_id,title,author,source,licence,licence_url\n"
    card = (version.path / "parquet" / "README.md").read_text()
    assert "No licence here asks for a name" in card and "\nlicense: cc0-1.0\n" in card
