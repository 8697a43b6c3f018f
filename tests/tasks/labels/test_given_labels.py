"""Given labels: found with the samples, or in a file of the user's; contradictions abstain."""

from pathlib import Path

import pytest
from user_file_pool import Seen, ingested

from windrow.tasks.labels.given_labels import class_names, given_labels, read_given
from windrow.tasks.storage.store.outputs import Output

SEEN = (
    *(
        Seen("a", "1", label="cat"),
        Seen("a", "2", label="cat"),
        Seen("b", "3", label="cat"),
        Seen("b", "4", label="dog"),
    ),
    *(Seen("c", "5"), Seen("x", "6", label="cat", unreadable="empty file")),
)


@pytest.fixture
def outputs(tmp_path: Path) -> dict[str, list[Output]]:
    """An ingested shard: samples a, b and c are readable, x is not."""
    return ingested(tmp_path, SEEN)


def test_found_labels_that_contradict_each_other_abstain(outputs: dict[str, list[Output]]) -> None:
    rows = given_labels("found", outputs).to_pylist()
    assert [(row["sample_id"], row["label"], row["abstained"]) for row in rows] == [
        ("a", "cat", False),
        ("b", None, True),
    ]
    assert rows[1]["classes"] == ["cat", "dog"]
    assert rows[1]["probabilities"] == [0.5, 0.5]


def test_no_labels_are_no_rows(outputs: dict[str, list[Output]]) -> None:
    assert given_labels("none", outputs).num_rows == 0


@pytest.mark.parametrize("text", ["sample_id,label\nc,7\nnobody,8\n", "key,label\n5,7\n"])
def test_a_file_names_samples_by_id_or_by_key(outputs: dict[str, list[Output]], tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    rows = given_labels(str(path), outputs).to_pylist()
    assert [(row["sample_id"], row["label"], row["annotator"]) for row in rows] == [("c", "7", "user")]


def test_labels_that_came_with_samples_and_cannot_be_read_do_not_count(outputs: dict[str, list[Output]]) -> None:
    assert {row["sample_id"] for row in given_labels("found", outputs).to_pylist()} == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,label\nc,7\n", "wants columns label and sample_id"),
        ("sample_id,label\nz,7\n", "names none of the pool's"),
        ("sample_id,label\na,\nb,\n", "has no row with both a sample and a label"),
    ],
)
def test_a_file_that_does_not_fit_says_why(
    outputs: dict[str, list[Output]], tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        given_labels(str(path), outputs)


def test_a_file_that_is_missing_is_named(outputs: dict[str, list[Output]]) -> None:
    with pytest.raises(ValueError, match=r"no\.csv"):
        given_labels("no.csv", outputs)


def test_classes_that_are_numbers_are_in_the_order_of_numbers(outputs: dict[str, list[Output]], tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("sample_id,label\na,10\nb,9\nc,2\n")
    assert class_names(given_labels(str(path), outputs)) == ["2", "9", "10"]
    path.write_text("sample_id,label\na,10\nb,9\nc,two\n")
    assert class_names(given_labels(str(path), outputs)) == ["10", "9", "two"]


def test_a_later_source_takes_the_place_of_an_earlier_one_and_named_people_add_up(
    outputs: dict[str, list[Output]], tmp_path: Path
) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("sample_id,label\nb,owl\nc,owl\n")
    second.write_text("sample_id,label,annotator\nc,hen,\na,hen,ann\na,hen,bob\n")
    rows = {row["sample_id"]: row for row in read_given(["found", str(first), str(second)], outputs).labels.to_pylist()}
    said = {name: (row["label"], row["annotator"], row["classes"]) for name, row in rows.items()}
    assert said["b"] == ("owl", "user", ["owl"])
    assert said["c"] == ("hen", "user", ["hen"])
    assert (said["a"][0], sorted(said["a"][2])) == (None, ["cat", "hen"]), "people who contradict what was found"
    turned = {row["sample_id"]: row for row in read_given([str(first), "found"], outputs).labels.to_pylist()}
    assert (turned["b"]["label"], turned["b"]["classes"]) == (None, ["cat", "dog"])
    assert (turned["a"]["annotator"], turned["c"]["annotator"]) == ("source", "user")
    second.write_text("sample_id,label\nnobody,1\n")
    with pytest.raises(ValueError, match=r"labels.given.1: .*second.csv names none of the pool's"):
        read_given(["found", str(second)], outputs)
