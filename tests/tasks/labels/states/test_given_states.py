"""Given states: what is listed is present, what was looked for and is not listed is absent, all else is unknown."""

import json
from pathlib import Path

import pytest
from user_file_pool import Seen, ingested

from windrow.schemas import LABEL_STATES, LOOKED_FOR, TAKEN_CORRECTIONS, VOCABULARIES
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.states.given_states import find_given_states, told_states
from windrow.tasks.labels.states.multi_label_config import MultiLabelConfig
from windrow.tasks.labels.states.said_states import said_states
from windrow.tasks.labels.states.statements import Place
from windrow.tasks.storage.store.outputs import Output, OutputWriter, make_output, open_output

States = dict[tuple[str, str], str]


def label(value: object) -> str:
    return json.dumps({"tags": value})


SEEN = (
    Seen("a", "1", metadata=label(["cat", "dog"]), source="looked"),
    Seen("b", "2", metadata=label([]), source="looked"),
    Seen("c", "3", metadata=label({"cat": True, "dog": False, "cow": None}), source="free"),
    Seen("c", "4", label="ant", source="looked"),
    Seen("d", "5", label="cat|dog", source="free"),
    Seen("e", "6", metadata=label([{"box": 1}]), source="looked"),
    Seen("f", "7", metadata='{"other": 1}', source="looked"),
    Seen("g", "8", label="unlabelled", source="looked"),
    Seen("i", "10", metadata='{"labels": ["a", "b"], "windrow_error": "label: several classes, and a sample has one"}'),
    Seen("h", "8", label="owl", metadata=label("another's"), source="free"),
    Seen("x", "9", label="cat", unreadable="empty file", source="looked"),
)
PLACES = {"looked": Place("tags", ("cat", "dog")), "free": Place("tags", ())}


def found(store: Path, labels: LabelsConfig, corrections: tuple[str, ...] = ()) -> tuple[Output, States]:
    """What is given, and the states that have a row."""
    (ingest,) = ingested(store, SEEN)["ingest"]
    done = find_given_states(store, [str(ingest.path.relative_to(store))], labels, PLACES, corrections)
    output = open_output(store / done.path)
    rows = output.read(LABEL_STATES).to_pylist()
    return output, {(row["sample_id"], row["label"]): row["state"] for row in rows}


def config(*given: str, **multi: object) -> LabelsConfig:
    return LabelsConfig(kind="multi", given=given or ("found",), multi=MultiLabelConfig(**multi))  # type: ignore[arg-type]


def test_lists_maps_and_texts_are_read_and_an_empty_list_says_that_somebody_looked(tmp_path: Path) -> None:
    output, states = found(tmp_path, config(separator="|"))
    assert states == {
        ("a", "cat"): "present",
        ("a", "dog"): "present",
        ("c", "cat"): "present",
        ("c", "dog"): "absent",
        ("c", "cow"): "unknown",
        ("c", "ant"): "present",
        ("d", "cat"): "present",
        ("d", "dog"): "present",
        ("h", "owl"): "present",
    }
    looked = {row["sample_id"] for row in output.read(LOOKED_FOR).to_pylist()}
    assert looked == {"a", "b", "c"}  # not e, which nobody understands, f and g, which nobody labelled
    assert [row["label"] for row in output.read(VOCABULARIES).to_pylist()] == ["cat", "dog"]
    assert "labels that are neither classes nor a map of classes, or not at label_key: 2" in told_states(
        output.counts, config()
    )


def test_a_list_goes_before_the_name_of_its_folder_and_folders_are_no_classes_where_lists_are(tmp_path: Path) -> None:
    seen = (
        Seen("a", "1", label="summer", metadata=label(["cat", "dog"]), label_from="folder by default"),
        Seen("b", "2", label="winter", label_from="folder by default"),
    )
    (ingest,) = ingested(tmp_path, seen)["ingest"]
    places = {"s": Place("tags", ())}
    done = find_given_states(tmp_path, [str(ingest.path.relative_to(tmp_path))], config(), places)
    rows = open_output(tmp_path / done.path).read(LABEL_STATES).to_pylist()
    assert [(row["sample_id"], row["label"]) for row in rows] == [("a", "cat"), ("a", "dog")]


def test_without_a_separator_a_text_is_one_class(tmp_path: Path) -> None:
    _, states = found(tmp_path, config())
    assert states["d", "cat|dog"] == "present"


def test_a_later_file_speaks_for_the_classes_that_it_names_and_people_outvote_each_other(tmp_path: Path) -> None:
    file, people = tmp_path / "file.csv", tmp_path / "people.csv"
    file.write_text("sample_id,label,state\na,cat,absent\n")
    rows = ("a,dog,absent,eve", "a,dog,,ann", "b,dog,,eve", "b,dog,,ann", "b,dog,absent,bob")
    people.write_text("\n".join(("sample_id,label,state,annotator", *rows)))
    _, states = found(tmp_path, config("found", str(file), str(people)))
    assert states["a", "cat"] == "absent"
    assert states["a", "dog"] == "present"  # the source says so, too
    assert states["b", "dog"] == "present"
    _, alone = found(tmp_path, config(str(people)))
    assert alone["a", "dog"] == "unknown"  # one says so and one does not


def test_a_vocabulary_of_files_is_that_of_the_samples_that_they_name(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text("key,label\n1,cat\n")
    output, states = found(tmp_path, config(str(file), vocabulary=("cat", "cow")))
    assert states == {("a", "cat"): "present"}
    assert [row["sample_id"] for row in output.read(LOOKED_FOR).to_pylist()] == ["a"]


def test_a_state_that_is_none_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text("sample_id,label,state\na,cat,maybe\n")
    with pytest.raises(ValueError, match=r"file\.csv, line 2: the state wants one of present, absent, unknown"):
        found(tmp_path, config(str(file)))


def test_what_people_correct_goes_before_all_else(tmp_path: Path) -> None:
    def write(writer: OutputWriter) -> None:
        rows = [("a", "wrong_label", "cat"), ("b", "label", "cow")]
        columns = {
            "number": [0, 1],
            "sample_id": [row[0] for row in rows],
            "kind": [row[1] for row in rows],
            "value": [row[2] for row in rows],
            "who": ["ann"] * 2,
            "added_at": [0, 0],
        }
        writer.write(TAKEN_CORRECTIONS, TAKEN_CORRECTIONS.build(columns))

    taken = make_output(tmp_path, "label_corrections", 1, {}, write)
    _, states = found(tmp_path, config(), (taken.path,))
    assert states["a", "cat"] == "absent"
    assert states["a", "dog"] == "present"
    assert states["b", "cow"] == "present"


@pytest.mark.parametrize(
    ("value", "states"),
    [
        (["cat", 3, 2.0], {"cat": "present", "3": "present", "2": "present"}),
        ({"cat": 1, "dog": 0}, {"cat": "present", "dog": "absent"}),
        ({"cat": 0.5}, None),
        ([["cat"]], None),
        (7, None),
        (["-1", "cat"], {"cat": "present"}),
    ],
)
def test_what_a_label_says(value: object, states: dict[str, str] | None) -> None:
    assert said_states(value, None, frozenset({"-1"})) == states
