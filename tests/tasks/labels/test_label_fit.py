"""What a file of labels may name is told by a pool's names alone, and never refused where it could fit."""

from pathlib import Path

import pytest

from windrow.tasks.labels.label_fit import check_label_fit
from windrow.tasks.storage.sources.source_shard import LooseFile, SourceShard

LOOSE = SourceShard("photos", "file", "a/1.jpg", "i", (LooseFile("a/1.jpg"), LooseFile("b/caf\u00e9.jpg")))
TAR = SourceShard("tars", "tar", "0.tar", "i")


@pytest.mark.parametrize(
    ("text", "shards"),
    [
        ("key,label\nelsewhere,cat\na/1.jpg,cat\n", [LOOSE]),
        ("key,label\nb/cafe\u0301.jpg,cat\n", [LOOSE]),
        ("key,label,shard,source_uri\nb/caf\u00e9.jpg,cat,a/1.jpg,photos\n", [LOOSE]),
        ("sample_id,key,label\n,a/1.jpg,cat\n", [LOOSE]),
        (f"sample_id,label\nnone,dog\n{'0aF' * 10}00,cat\n", [LOOSE]),
        ("key,label\nelsewhere,cat\n", [LOOSE, TAR]),
        ("key,label\na/1.jpg,7\n", [LOOSE, LOOSE]),
        ("key,label\na/1.jpg,cat\na/1.jpg,dog\n", [LOOSE, SourceShard("other", "file", "a/1.jpg", "i", LOOSE.files)]),
    ],
)
def test_a_file_that_may_fit_goes_on(tmp_path: Path, text: str, shards: list[SourceShard]) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    check_label_fit(str(path), "labels.given", shards)


@pytest.mark.parametrize(
    ("text", "shards", "told"),
    [
        ("key,label\n1.jpg,cat\nb.jpg,dog\n", [LOOSE], r"a key is as 'a/1.jpg' .*: line 2 \(key '1.jpg'\), line 3"),
        ("key,label,source_uri\na/1.jpg,cat,other\n", [LOOSE], "names none of the pool's samples"),
        ("sample_id,key,label\n7,a/1.jpg,cat\n", [LOOSE], r"line 2 \(sample_id 7\)"),
        ("sample_id,label\n00ff,cat\n", [TAR], r"32 hex digits \(labels.given"),
        ("key,label\n,cat\n", [TAR], r"line 2 \(no key\)"),
        ("key,label\n", [TAR], "has no row with both a sample and a label"),
    ],
)
def test_a_file_that_cannot_fit_is_refused(tmp_path: Path, text: str, shards: list[SourceShard], told: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=told):
        check_label_fit(str(path), "labels.given", shards)


def test_states_are_read_where_samples_may_be_of_several_classes(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("key,label,state\na/1.jpg,cat,maybe\n")
    check_label_fit(str(path), "labels.given", [LOOSE])
    with pytest.raises(ValueError, match="the state wants one of"):
        check_label_fit(str(path), "labels.given", [LOOSE], with_states=True)
