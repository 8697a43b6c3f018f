"""Labels of files in COCO's format: images find their samples by path, and what is said of them is told and counted."""

import json
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from user_file_pool import Seen, ingested

from windrow.schemas import LABEL_STATES, LOOKED_FOR, VOCABULARIES
from windrow.schemas.stages import Stage
from windrow.tasks.config import ConfigError, parse_config
from windrow.tasks.labels.given_labels import given_labels
from windrow.tasks.labels.label_file import WITH_STATES, Tally, load_label_file
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.states.given_states import find_given_states, told_states
from windrow.tasks.labels.states.multi_label_config import MultiLabelConfig
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.store.outputs import open_output

CATEGORIES = {1: "cat", 2: "dog", 3: "cow"}


def coco(
    path: Path,
    images: dict[str, Sequence[int]],
    absent: dict[str, Sequence[int]] | None = None,
    categories: dict[int, str] | None = None,
) -> Path:
    """Write a file of images, by name the categories that are in each; with `absent` as LVIS has it."""
    named = {name: number for number, name in enumerate(images)}
    listed: list[dict[str, Any]] = [{"id": number, "file_name": name} for name, number in named.items()]
    for image in listed if absent is not None else ():
        image |= {"neg_category_ids": (absent or {}).get(image["file_name"], []), "not_exhaustive_category_ids": [3]}
    pairs = [{"image_id": named[name], "category_id": each} for name, found in images.items() for each in found]
    names = [{"id": number, "name": name} for number, name in (categories or CATEGORIES).items()]
    path.write_text(json.dumps({"images": listed, "annotations": pairs, "categories": names}))
    return path


def load(folder: Path, seen: Sequence[Seen], images: dict[str, Sequence[int]]) -> tuple[Tally, dict[str, int]]:
    """The tally of a file, and the number of the image, from 1, that each sample is found in."""
    connection = connect(tables_of(ingested(folder / "store", seen)))
    tally = load_label_file(connection, str(coco(folder / "a.json", images)), "labels.given", WITH_STATES)
    return tally, dict(connection.execute("SELECT DISTINCT sample_id, line FROM file_labels").fetchall())


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("a.jpg", "train2017/a.jpg"),
        ("a.jpg", r"..\..\train2017\a.jpg"),
        ("a.jpg", "http://images.cocodataset.org/train2017/a.jpg"),
        ("a.jpg", "a"),
        ("train2017/a.jpg", "a.jpg"),
        ("train2017/a.jpg", "train2017/a.jpg"),
        ("train2017/a.jpg", "coco/train2017/a.jpg"),
        ("train2017/a.jpg", "train2017/a"),
        ("é.jpg", "train2017/e\u0301.jpg"),
        ("TAR a", "a.jpg"),
        ("TAR a", "train2017/a.jpg"),
        ("TAR train2017/a", "a.jpg"),
        ("TAR train2017/a", "train2017/a.jpg"),
        ("TAR a", "a_jpg.rf.0f.jpg".replace("a_jpg", "a")),
        ("TAR a.jpg", "train2017/a.jpg"),
        ("TAR a.jpg", "x/train2017/a.jpg"),
    ],
)
def test_an_image_finds_its_sample_by_as_much_of_a_path_as_both_have(tmp_path: Path, key: str, name: str) -> None:
    kind = "tar" if key.startswith("TAR ") else "file"
    source = "/data/train2017"
    seen = [Seen("A", key.removeprefix("TAR "), kind=kind, source=source), Seen("B", "other", kind=kind)]
    tally, found = load(tmp_path, seen, {"elsewhere.jpg": [1], name: [1, 2]})
    assert found == {"A": 2}
    assert (tally.n_rows, tally.n_matched, tally.n_unmatched, tally.n_empty) == (2, 1, 1, 0)
    assert tally.unmatched == ("image 1 (key 'elsewhere.jpg')",)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("train/a.jpg", "val/a.jpg"),
        ("a.jpg", "val/a.jpg"),
        ("a.jpg", "train/val/a.jpg"),
        ("ba.jpg", "a.jpg"),
        ("a.png", "a.jpg"),
        ("x/a.jpg", "x/b/a.jpg"),
        ("PARQUET 17", "17.jpg"),
        ("a", "a.jpg"),
        ("a.jpg", "a\0.jpg"),
        ("a[1].jpg", "a1.jpg"),
    ],
)
def test_an_image_of_another_path_finds_none(tmp_path: Path, key: str, name: str) -> None:
    kind = "parquet" if key.startswith("PARQUET ") else "file"
    seen = [Seen("A", key.removeprefix("PARQUET "), kind=kind, source="/data/train"), Seen("B", "there.jpg")]
    tally, found = load(tmp_path, seen, {name: [1], "there.jpg": []})
    assert found == {"B": 2}
    assert tally.unmatched == (f"image 1 (key {name!r})",)


@pytest.mark.parametrize(
    ("source", "shard", "kind"),
    [
        ("/data/train/*.jpg", "1.jpg", "file"),
        ("/data/train/1.jpg", "1.jpg", "file"),
        ("/data/train/", "0.tar", "tar"),
        ("/data/train/0.tar", "0.tar", "tar"),
        ("/data/train/{0..9}.tar", "0.tar", "tar"),
        ("/data", "train/0.tar", "tar"),
        ("s3://bucket/train", "rows.parquet", "parquet"),
        ("/data/train/list.csv", "list.csv#100", "file"),
    ],
)
def test_the_folder_of_a_source_is_that_in_which_its_files_are(
    tmp_path: Path, source: str, shard: str, kind: str
) -> None:
    key = "1" if kind == "tar" else "1.jpg"
    seen = [Seen("A", key, shard, source=source, kind=kind), Seen("B", "other.jpg")]
    _, found = load(tmp_path, seen, {"val/1.jpg": [1], "coco/train/1.jpg": [2]})
    assert found == {"A": 2}


def test_a_sample_has_the_classes_of_the_nearest_path_alone(tmp_path: Path) -> None:
    seen = [Seen("A", "0001.jpg", source="/data/train"), Seen("B", "cats/0001.jpg", source="/data/train")]
    images = {"test/0001.jpg": [2], "train/0001.jpg": [1], "val/cats/0001.jpg": [2], "train/cats/0001.jpg": [3]}
    tally, found = load(tmp_path, seen, images)
    assert found == {"A": 2, "B": 4}
    assert tally.unmatched == ("image 1 (key 'test/0001.jpg')", "image 3 (key 'val/cats/0001.jpg')")
    (tmp_path / "whole").mkdir()
    tally, found = load(tmp_path / "whole", seen, {"train/0001.jpg": [2], "0001.jpg": [1], "train/cats/0001.jpg": [3]})
    assert found == {"A": 2, "B": 3}
    assert tally.unmatched == ("image 1 (key 'train/0001.jpg')",)


def test_a_copy_in_another_folder_is_named_by_a_path_of_its_own(tmp_path: Path) -> None:
    seen = [Seen("A", "x/1.jpg", source="/data"), Seen("A", "y/1.jpg", source="/data")]
    tally, _ = load(tmp_path, seen, {"data/x/1.jpg": [1], "data/y/1.jpg": [2]})
    assert tally.n_matched == 2


@pytest.mark.parametrize("images", [{"val/x/1.jpg": [1], "test/x/1.jpg": [2]}, {"test/x/1.jpg": [], "val/x/1.jpg": []}])
def test_two_paths_that_are_as_near_to_one_sample_are_refused(tmp_path: Path, images: dict[str, list[int]]) -> None:
    seen = [Seen("A", "x/1.jpg", source="/data/train"), Seen("B", "2.jpg")]
    one, two = images
    words = (
        rf"a\.json: image 1 \('{one}'\) and image 2 \('{two}'\) both fit the sample of the key 'x/1\.jpg': file_name"
    )
    with pytest.raises(ValueError, match=words):
        load(tmp_path, seen, images)


def test_a_name_that_is_in_each_folder_costs_what_the_samples_do_and_not_their_square(tmp_path: Path) -> None:
    def seconds(n: int) -> float:
        seen = [Seen(f"{each:05}", f"{each}/rgb/image.jpg", source="/data/scenes") for each in range(n)]
        folder = tmp_path / str(n)
        folder.mkdir()
        start = process_time()
        tally, found = load(folder, seen, {f"scenes/{each}/rgb/image.jpg": [1] for each in range(n)})
        took = process_time() - start
        assert tally.n_matched == n and all(int(sample) == line - 1 for sample, line in found.items())
        return took

    seconds(20)  # what is imported on first use
    few = seconds(2_000)
    assert seconds(20_000) < 25 * few  # ten times as much work, or a hundred


def test_folders_of_sources_tell_files_of_one_name_apart_and_else_nothing_is_guessed(tmp_path: Path) -> None:
    train, val = Seen("A", "1.jpg", source="/data/train"), Seen("B", "1.jpg", source="C:\\data\\val\\")
    _, found = load(tmp_path, [train, val], {"val/1.jpg": [1], "train/1.jpg": [2]})
    assert found == {"B": 1, "A": 2}
    words = r"a\.json, image 1: the key is that of 2 samples, in 2 sources: file_name must say which is meant"
    with pytest.raises(ValueError, match=words):
        load(tmp_path, [train, val], {"1.jpg": [1]})
    (tmp_path / "one").mkdir()
    with pytest.raises(ValueError, match="image 1: the key is that of 2 samples, in one shard: file_name must say"):
        load(tmp_path / "one", [Seen("A", "x/1.jpg"), Seen("B", "y/1.jpg")], {"1.jpg": [1]})


def test_a_file_is_tallied_by_its_images_and_what_it_does_not_name_is_told(tmp_path: Path) -> None:
    seen = [*(Seen(name, f"{name}.jpg") for name in "ABCDE"), Seen(None, "lost.jpg", unreadable="empty file")]
    images = {"A.jpg": [1, 2, 2], "B.jpg": [], "lost.jpg": [1], "no.jpg": [3, 1], "C.jpg": [3]}
    tally, found = load(tmp_path, seen, images)
    assert found == {"A": 1, "B": 2, "C": 5}
    assert str(tally) == (
        f"labels.given: {tmp_path / 'a.json'}: 5 images, 3 matched, 2 unmatched, 0 empty, 0 conflicting, 0 ambiguous;"
        " unmatched: image 3 (key 'lost.jpg': cannot be read), image 4 (key 'no.jpg'); 3 classes, said to be present 6"
        " times and absent 0; samples of the pool that it does not name: 2"
    )


SEEN = (*(Seen(name, f"{name}.jpg") for name in "ABCD"), Seen("E", "e.jpg", label="found"))


def states(store: Path, labels: LabelsConfig) -> tuple[dict[tuple[str, str], str], dict[str, set[str]], str]:
    """The states that have a row; of each sample with a vocabulary its classes; and what the run says."""
    (ingest,) = ingested(store, SEEN)[Stage.INGEST]
    done = find_given_states(store, [str(ingest.path.relative_to(store))], labels, {})
    output = open_output(store / done.path)
    named: dict[int, set[str]] = {}
    for row in output.read(VOCABULARIES).to_pylist():
        named.setdefault(row["vocabulary"], set()).add(row["label"])
    looked = {row["sample_id"]: named[row["vocabulary"]] for row in output.read(LOOKED_FOR).to_pylist()}
    said = {(row["sample_id"], row["label"]): row["state"] for row in output.read(LABEL_STATES).to_pylist()}
    return said, looked, told_states(done.counts, labels)


def config(*given: Path, **multi: Any) -> LabelsConfig:
    return LabelsConfig(kind="multi", given=tuple(map(str, given)), multi=MultiLabelConfig(**multi))


def test_nothing_is_absent_unless_it_is_said_that_all_categories_were_looked_for(tmp_path: Path) -> None:
    path = coco(tmp_path / "a.json", {"A.jpg": [1, 2], "B.jpg": [], "C.jpg": [1]})
    said, looked, told = states(tmp_path / "store", config(path))
    assert said == {("A", "cat"): "present", ("A", "dog"): "present", ("C", "cat"): "present"}
    assert looked == {}
    assert told.startswith("given states of classes: 3 present, 0 absent; 0 samples have a vocabulary")
    assert told.endswith("all categories were looked for in every image, labels.multi.vocabulary: categories says so")
    again, looked, told = states(tmp_path / "store", config(path, vocabulary="categories"))
    assert again == said
    assert looked == {name: {"cat", "dog", "cow"} for name in "ABC"}  # D and E are not named: of these nothing is known
    assert "3 samples have a vocabulary" in told and "nothing is absent" not in told
    _, looked, _ = states(tmp_path / "store", config(path, vocabulary=("cat", "hen")))
    assert looked == {name: {"cat", "hen"} for name in "ABC"}


def test_each_file_has_its_own_categories_and_tables_beside_them_none(tmp_path: Path) -> None:
    first = coco(tmp_path / "a.json", {"A.jpg": [1], "B.jpg": [1]})
    second = coco(tmp_path / "b.json", {"B.jpg": [5], "C.jpg": []}, categories={5: "hen", 6: "unlabelled"})
    table = tmp_path / "c.csv"
    table.write_text("key,label\nD.jpg,owl\n")
    said, looked, _ = states(tmp_path / "store", config(first, second, table, vocabulary="categories"))
    assert said == {("A", "cat"): "present", ("B", "cat"): "present", ("B", "hen"): "present", ("D", "owl"): "present"}
    of_first = {"cat", "dog", "cow"}
    assert looked == {"A": of_first, "B": of_first | {"hen"}, "C": {"hen"}}


def test_lvis_says_what_is_absent_and_all_else_is_unknown(tmp_path: Path) -> None:
    images = {"A.jpg": [1, 3], "B.jpg": [], "C.jpg": [2]}
    path = coco(tmp_path / "a.json", images, {"A.jpg": [2], "B.jpg": [1, 3], "C.jpg": [2]})
    said, looked, told = states(tmp_path / "store", config(path))
    assert said == {
        ("A", "cat"): "present",
        ("A", "cow"): "present",  # its boxes are not exhaustive, and it is present all the same
        ("A", "dog"): "absent",
        ("B", "cat"): "absent",
        ("B", "cow"): "absent",
        ("C", "dog"): "unknown",  # both are said
    }
    assert looked == {}
    assert "2 present, 3 absent" in told and "contradicted or said to be unknown: 1" in told and "nothing" not in told
    with pytest.raises(ValueError, match=r"labels\.multi\.vocabulary: categories is for files whose .*/a\.json says"):
        states(tmp_path / "store", config(path, vocabulary="categories"))


def test_a_separator_parts_no_category(tmp_path: Path) -> None:
    path = coco(tmp_path / "a.json", {"A.jpg": [1]}, categories={1: "cat|dog"})
    said, looked, _ = states(tmp_path / "store", config(path, vocabulary="categories", separator="|"))
    assert said == {("A", "cat|dog"): "present"}
    assert looked == {"A": {"cat|dog"}}


def test_of_samples_of_one_class_a_file_is_read_where_images_have_one(tmp_path: Path) -> None:
    outputs = ingested(tmp_path / "store", SEEN)
    one = coco(tmp_path / "one.json", {"A.jpg": [1, 1], "B.jpg": [], "C.jpg": [3]}, {"B.jpg": [1]})
    labels = given_labels(str(one), outputs).to_pylist()
    assert {row["sample_id"]: row["label"] for row in labels} == {"A": "cat", "C": "cow"}
    several = coco(tmp_path / "several.json", {"A.jpg": [1], "B.jpg": [1, 3]})
    with pytest.raises(ValueError, match=r"several\.json, image 2: is of several classes, 'cat' and 'cow'; `labels: "):
        given_labels(str(several), outputs)


@pytest.mark.parametrize("images", [{"no.jpg": [1]}, {"no.jpg": []}])
def test_a_file_that_names_no_sample_is_refused(tmp_path: Path, images: dict[str, list[int]]) -> None:
    path = coco(tmp_path / "a.json", images)
    with pytest.raises(ValueError, match=r"labels\.given: .*a\.json names none of the pool's readable samples"):
        states(tmp_path / "store", config(path))


def test_a_folder_is_no_file_of_annotations(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(ValueError, match=r"labels\.given: wants 'found', .* or COCO's \.json; got '.*a\.json'"):
        states(tmp_path / "store", config(tmp_path / "a.json"))


@pytest.mark.parametrize("given", ["found", "labels.csv"])
def test_categories_of_no_file_are_no_vocabulary(given: str) -> None:
    labels = {"kind": "multi", "given": given, "multi": {"vocabulary": "categories"}}
    with pytest.raises(ConfigError, match=r"vocabulary: categories are those of a \.json file of given"):
        parse_config({"sources": ["x"], "labels": labels})
    read = parse_config({"sources": ["x"], "labels": {**labels, "given": ["found", "x.json.gz"]}})
    assert read.labels.multi.vocabulary == "categories"
    listed = {**labels, "multi": {"vocabulary": ["categories"]}}
    assert parse_config({"sources": ["x"], "labels": listed}).labels.multi.vocabulary == ("categories",)
