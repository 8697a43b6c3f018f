"""Given labels: found with the samples, or in a file of the user's; contradictions abstain."""

from pathlib import Path

import pytest

from windrow.schemas import OCCURRENCES, SAMPLES
from windrow.tasks.labels.given_labels import class_names, given_labels
from windrow.tasks.storage.store.outputs import Output, OutputWriter, make_output, open_output

# (sample, key, label)
SEEN = [("a", "1", "cat"), ("a", "2", "cat"), ("b", "3", "cat"), ("b", "4", "dog"), ("c", "5", None), ("x", "6", "cat")]


@pytest.fixture
def outputs(tmp_path: Path) -> dict[str, list[Output]]:
    """An ingested shard: samples a, b and c are readable, x is not."""

    def write(writer: OutputWriter) -> None:
        n = len(SEEN)
        columns = {
            "occurrence_id": [f"o{i}" for i in range(n)],
            "sample_id": [sample for sample, _, _ in SEEN],
            "source_uri": ["s"] * n,
            "kind": ["file"] * n,
            "shard": [""] * n,
            "position": list(range(n)),
            "key": [key for _, key, _ in SEEN],
            "found_label": [label for _, _, label in SEEN],
            "unreadable": [None] * 5 + ["empty file"],
        }
        writer.write(OCCURRENCES, OCCURRENCES.build(columns))
        facts = {
            "width": 8,
            "height": 8,
            "mode": "L",
            "format": "PNG",
            "n_frames": 1,
            "exif_orientation": 1,
            "n_bytes": 9,
        }
        writer.write(SAMPLES, SAMPLES.build({"sample_id": list("abc"), **{k: [v] * 3 for k, v in facts.items()}}))

    return {"ingest": [open_output(tmp_path / make_output(tmp_path, "ingest", 1, {}, write).path)]}


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
