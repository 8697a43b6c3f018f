"""A version as a webdataset pipeline: every sample once, decoded, shuffled as the seed says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_export import export, make_selection

from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.loading.webdataset_pipeline import open_webdataset
from windrow.tasks.pictures.decoding import decode_rgb


def ids(pipeline: Any) -> list[str]:
    return [info["sample_id"] for _, _, info in pipeline]


def test_samples_come_by_rank_decoded_with_class_and_description(tmp_path: Path) -> None:
    rows, data = make_selection(tmp_path / "source")
    version = export(tmp_path / "store", rows).path
    for split in ("train", "test"):
        samples = list(open_webdataset(version, split))
        expected = [row for row in rows if row["split"] == split]
        assert [info["sample_id"] for _, _, info in samples] == [row["sample_id"] for row in expected]
        for (image, label, info), row in zip(samples, expected, strict=True):
            assert np.array_equal(np.asarray(image), np.asarray(decode_rgb(data[row["sample_id"]])))
            assert label == (None if row["label"] is None else ["barley", "rye", "wheat"].index(row["label"]))
            assert (info["rank"], info["caption"]) == (row["rank"], row["caption"])


def test_integer_classes_keep_their_numbers(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 4, labels=["30", "4", "30", "100"])
    version = export(tmp_path / "store", rows, classes=["4", "30", "100", "7"]).path
    assert [label for _, label, _ in open_webdataset(version)] == [30, 4, 30]


def test_samples_without_a_label_can_be_skipped(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 24)
    version = export(tmp_path / "store", rows).path
    labelled = [row["sample_id"] for row in rows if row["split"] == "train" and row["label"] is not None]
    assert ids(open_webdataset(version, unlabelled="skip")) == labelled


def test_each_pass_has_its_own_order_and_the_seed_decides_it(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source", 48)
    version = export(tmp_path / "store", rows).path
    shuffled = open_webdataset(version, shuffle=20, seed=1)
    first, second = ids(shuffled), ids(shuffled)
    in_order = ids(open_webdataset(version))
    assert first != second and first != in_order
    assert sorted(first) == sorted(second) == sorted(in_order)
    again = open_webdataset(version, shuffle=20, seed=1)
    assert [ids(again), ids(again)] == [first, second]
    assert ids(open_webdataset(version, shuffle=20, seed=2)) != first


def test_nodes_share_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = make_selection(tmp_path / "source", 48)
    version = export(tmp_path / "store", rows).path
    for shuffle in (0, 10):
        shares = []
        for rank in range(3):
            monkeypatch.setenv("RANK", str(rank))
            monkeypatch.setenv("WORLD_SIZE", "3")
            shares.append(ids(open_webdataset(version, shuffle=shuffle)))
        assert all(shares)
        assert sorted(each for share in shares for each in share) == sorted(
            row["sample_id"] for row in rows if row["split"] == "train"
        )


def test_more_nodes_than_shards_are_told_that_some_would_get_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, _ = make_selection(tmp_path / "source", 8)
    version = export(tmp_path / "store", rows).path
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ValueError, match=r"4 nodes share 2 shards.*data_loader"):
        open_webdataset(version)


def test_a_path_may_hold_what_means_something_in_an_address(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    version = export(tmp_path / "a#b?c {0..3} s3::d", rows).path
    assert len(ids(open_webdataset(version))) == 9


def test_bad_calls_are_refused(tmp_path: Path) -> None:
    rows, _ = make_selection(tmp_path / "source")
    version = export(tmp_path / "store", rows).path
    with pytest.raises(ValueError, match=r"split 'val'.*\['train', 'test'\]"):
        open_webdataset(version, "val")
    with pytest.raises(ValueError, match="no version of a curated set"):
        open_webdataset(tmp_path)
    with pytest.raises(ValueError, match="shuffle: wants 0 or more, got -1"):
        open_webdataset(version, shuffle=-1)
    with pytest.raises(ValueError, match=r"unlabelled.*'maybe'"):
        open_webdataset(version, unlabelled="maybe")  # type: ignore[arg-type]
    only_parquet = export(tmp_path / "store", rows, ExportConfig(formats=("parquet",))).path
    with pytest.raises(ValueError, match="no WebDataset shard"):
        open_webdataset(only_parquet)
