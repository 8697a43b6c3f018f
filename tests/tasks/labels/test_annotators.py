"""Labels of several people: who said what, what they say together, and what each of them counts."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from inline_run import curate_inline
from small_pool import make_small_pool
from user_file_pool import Seen, ingested, labelled_pool

from windrow.schemas import ANNOTATIONS, ANNOTATORS, LABELS
from windrow.tasks.labels.given_labels import find_given, given_labels, read_given
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.published.versions import latest_version
from windrow.tasks.storage.store.outputs import Output, open_output

BY = "annotator,key,label\n"


def rows_of(folder: Path, text: str, **settings: Any) -> dict[str, dict[str, Any]]:
    """What a file says of the pool of `user_file_pool`, by the keys of its samples."""
    outputs, keys = labelled_pool(folder / "store")
    (folder / "labels.csv").write_text(text)
    found = read_given([str(folder / "labels.csv")], outputs, **settings).labels
    return {keys[row["sample_id"]]: row for row in found.to_pylist()}


def test_who_gave_a_label_is_told_by_name(tmp_path: Path) -> None:
    several = "".join(f"p{number},é.png,cat\n" for number in range(4))
    rows = rows_of(tmp_path, f"{BY}ann,a,cat\nbob,a,cat\nbob,b,dog\nann,b,dog\ncid,b,cat\n,c,dog\n{several}")
    assert {key: (row["label"], row["annotator"]) for key, row in rows.items()} == {
        "a": ("cat", "ann, bob"),
        "b": ("dog", "ann, bob"),
        "c": ("dog", "user"),
        "é.png": ("cat", "4 annotators"),
    }
    assert rows["b"]["classes"] == ["dog", "cat"]
    assert rows["b"]["probabilities"] == pytest.approx([2 / 3, 1 / 3])


def test_a_weight_is_what_a_row_counts_and_what_its_label_weighs(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "key,label,weight\na,cat,0.25\nb,cat,0.25\nb,dog,1\nc,cat,0.5\nc,dog,0.5\né.png,cat,\n")
    assert {key: (row["label"], row["label_weight"]) for key, row in rows.items()} == {
        "a": ("cat", 0.25),
        "b": ("dog", 1.0),
        "c": (None, 0.0),
        "é.png": ("cat", 1.0),
    }
    assert rows["b"]["confidence"] == pytest.approx(0.8)


@pytest.mark.parametrize("weight", ["0", "-1", "1.5", "nan", "inf", "much", "1e400"])
def test_a_weight_that_is_none_is_refused_with_its_line(tmp_path: Path, weight: str) -> None:
    with pytest.raises(ValueError, match=r"labels.given: .*labels.csv, line 3: the weight"):
        rows_of(tmp_path, f"key,label,weight\na,cat,1\nb,dog,{weight}\n")


def test_what_came_with_samples_weighs_one_and_is_said_by_the_source(tmp_path: Path) -> None:
    outputs = ingested(tmp_path, (Seen("a", "1", label="cat"), Seen("b", "2", label="dog")))
    table = given_labels("found", outputs)
    assert (table["annotator"].to_pylist(), table["label_weight"].to_pylist()) == (["source"] * 2, [1.0] * 2)


class Crowd:
    """Two hundred samples of three classes; two people are mostly right, three say 'b' for every 'a'."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.truth = [("a", "b", "c")[number % 3] for number in range(200)]
        self.outputs: dict[str, list[Output]] = ingested(
            folder / "store", [Seen(f"{number:032x}", str(number)) for number in range(200)]
        )
        lines = []
        for number, truth in enumerate(self.truth):
            for who in ("p0", "p1"):
                said = truth if rng.random() < 0.95 else "c"
                lines.append(f"{who},{number},{said}")
            for who in ("q0", "q1", "q2"):
                said = "b" if truth == "a" else truth if rng.random() < 0.9 else "c"
                lines.append(f"{who},{number},{said}")
        self.path = folder / "crowd.csv"
        self.path.write_text(BY + "\n".join(lines))

    def right(self, by: str) -> float:
        table = read_given([str(self.path)], self.outputs, by=by).labels  # type: ignore[arg-type]
        return float(np.mean([row == truth for row, truth in zip(table["label"].to_pylist(), self.truth, strict=True)]))


def test_dawid_and_skene_see_through_people_who_take_one_class_for_another(tmp_path: Path) -> None:
    crowd = Crowd(tmp_path)
    assert crowd.right("majority") < 0.75
    assert crowd.right("dawid-skene") > 0.9


def test_people_and_what_they_say_are_tables_with_how_often_each_is_right(tmp_path: Path) -> None:
    crowd = Crowd(tmp_path)
    store = tmp_path / "store"
    ingest = [str(output.path.relative_to(store)) for output in crowd.outputs["ingest"]]
    done = find_given(store, ingest, [str(crowd.path)], by="dawid-skene")
    output = open_output(store / done.path)
    people = {row["annotator"]: row for row in output.read(ANNOTATORS).to_pylist()}
    assert list(people) == ["p0", "p1", "q0", "q1", "q2"] and {row["n_samples"] for row in people.values()} == {200}
    assert all(
        people[name]["accuracy"] > 0.85 > people[other]["accuracy"] for name in ("p0", "p1") for other in ("q0", "q1")
    )
    assert people["p0"]["agreement"] > 0.85 > people["q0"]["agreement"]
    said = output.read(ANNOTATIONS)
    assert said.num_rows == 1000 and set(said["label_weight"].to_pylist()) == {1.0}
    labels = output.read(LABELS).to_pylist()
    assert all(abs(sum(row["probabilities"]) - 1) < 1e-3 and row["label_set"] == "given" for row in labels)
    assert "Dawid and Skene over 5 annotators" in labels[0]["method"]


def test_who_says_two_things_of_a_sample_says_nothing_and_who_has_no_name_counts_where_nobody_else_does(
    tmp_path: Path,
) -> None:
    text = f"{BY}ann,a,cat\nann,a,dog\nbob,a,dog\nann,b,cat\nbob,b,cat\nann,c,dog\nbob,c,dog\n,é.png,dog\n"
    rows = rows_of(tmp_path, text, by="dawid-skene")
    assert {key: row["label"] for key, row in rows.items()} == {"a": "dog", "b": "cat", "c": "dog", "é.png": "dog"}


def test_dawid_and_skene_want_people_with_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"labels.annotators: dawid-skene wants a column annotator in .*labels.csv"):
        rows_of(tmp_path, "key,label\na,cat\nb,dog\n", by="dawid-skene")
    with pytest.raises(ValueError, match=r"annotators: dawid-skene wants a file as labels\.given, got \['found'\]"):
        LabelsConfig(annotators="dawid-skene")


def test_what_people_say_reaches_the_store_and_the_export(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    lines = [f"ann,{number}.png,{('x', 'y')[number % 2]},{1 - number / 10}" for number in range(6)]
    path.write_text("annotator,key,label,weight\n" + "\n".join([*lines, "bob,0.png,x,0.5"]))
    pool = make_small_pool(tmp_path, labels={"given": str(path), "annotators": "dawid-skene", "n_folds": 2})
    run = curate_inline(pool.config)
    version = latest_version(run.store, "small")
    assert version is not None
    rows = [row for row in pq.read_table(version.path / "samples.parquet").to_pylist() if row["given_label"]]
    with open_catalog(run.store) as catalog:
        assert catalog.sql("SELECT annotator, n_samples FROM annotators ORDER BY 1").fetchall() == [
            ("ann", 6),
            ("bob", 1),
        ]
        said = catalog.sql("SELECT sample_id, avg(label_weight) FROM annotations GROUP BY 1").fetchall()
    weights = {name: np.float32(weight) for name, weight in said}
    assert len(rows) == 6
    for row in rows:
        assert row["given_annotator"] in ("ann", "ann, bob") and row["label"] == row["given_label"]
        assert row["label_weight"] == pytest.approx(weights[row["sample_id"]], abs=1e-6)
