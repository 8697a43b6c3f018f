"""Files in COCO's format: what COCO, LVIS, panoptic files and those of other programs say is read, or why it is not."""

import gzip
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windrow.tasks.storage.user_files.coco_file import read_coco
from windrow.tasks.storage.user_files.user_file import is_coco

CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}, {"id": 9, "name": "cow"}]
IMAGES = [{"id": 3, "file_name": "b.jpg"}, {"id": 2, "file_name": "a.jpg"}, {"id": 5, "file_name": "c.jpg"}]
ANNOTATIONS = [
    {"id": 1, "image_id": 2, "category_id": 7, "segmentation": [[1, 2.5, 3]], "bbox": [0, 0, 1, 1], "iscrowd": 0},
    {"id": 2, "image_id": 3, "category_id": 7, "segmentation": {"counts": [3, 1], "size": [2, 2]}, "iscrowd": 1},
    {"id": 3, "image_id": 2, "category_id": 7, "segmentation": [], "iscrowd": 0},
    {"id": 4, "image_id": 2, "category_id": 1, "keypoints": [1, 2, 2], "num_keypoints": 1},
]
READ = [
    (1, "b.jpg", "dog", "present"),
    (2, "a.jpg", "cat", "present"),
    (2, "a.jpg", "dog", "present"),
    (3, "c.jpg", None, None),
]


def content(**changes: Any) -> dict[str, Any]:
    whole = {"info": {"a": [{}]}, "images": IMAGES, "annotations": ANNOTATIONS, "categories": CATEGORIES, **changes}
    return {name: value for name, value in whole.items() if value is not ...}


def rows(path: Path, with_states: bool = True) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in read_coco(path, with_states).rows.to_pylist()]


def written(folder: Path, value: Any, name: str = "instances.json") -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_annotations_crowds_and_keypoints_make_categories_present_once_and_images_without_are_listed(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, content())
    assert rows(path) == READ
    assert read_coco(path, True).classes == ("cat", "dog", "cow")
    assert read_coco(path, True).place(1).endswith("instances.json, image 2")


@pytest.mark.parametrize("order", [("annotations", "categories", "images"), ("categories", "images", "annotations")])
def test_the_lists_may_come_in_any_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    assert rows(written(tmp_path, {name: content()[name] for name in order})) == READ


def test_a_file_may_be_compressed_and_begin_with_a_mark(tmp_path: Path) -> None:
    packed, marked = tmp_path / "a.JSON.GZ", tmp_path / "b.json"
    packed.write_bytes(gzip.compress(json.dumps(content()).encode()))
    marked.write_text(json.dumps(content()), "utf-8-sig")
    assert rows(packed) == rows(marked) == READ
    assert is_coco(packed) and is_coco(marked) and not is_coco(tmp_path / "metadata.jsonl")


def test_a_file_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = written(tmp_path, content())
    assert len(rows(path)) == 4
    assert len(rows(written(tmp_path, content(annotations=[])))) == 3


def test_a_file_of_the_same_size_and_time_is_read_anew(tmp_path: Path) -> None:
    path = written(tmp_path, content())
    assert rows(path) == READ
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_text(json.dumps(content()).replace('"cat"', '"hen"'))
    os.utime(path, ns=times)
    assert {row[2] for row in rows(path)} == {"hen", "dog", None}
    other = written(tmp_path, content(), "other.json")
    os.utime(other, ns=times)
    other.replace(path)
    assert rows(path) == READ


def test_no_more_than_the_last_file_is_kept(tmp_path: Path) -> None:
    sizes = []
    for number in range(4):
        images = [{"id": each, "file_name": f"{number}/{each:0100}.jpg"} for each in range(20_000)]
        found = [{"image_id": each, "category_id": 1} for each in range(20_000)]
        read_coco(written(tmp_path, content(images=images, annotations=found), f"{number}.json"), True)
        sizes.append(pa.total_allocated_bytes())
    assert sizes[-1] - sizes[0] < sizes[0] / 2


def test_lvis_says_what_is_absent_and_names_images_by_their_url(tmp_path: Path) -> None:
    url = "http://images.cocodataset.org/train2017/00%201.jpg"
    images = [
        {"id": 2, "coco_url": url, "neg_category_ids": [9], "not_exhaustive_category_ids": [7]},
        {"id": 3, "coco_url": "s3://bucket/x/2.jpg", "neg_category_ids": [], "not_exhaustive_category_ids": []},
    ]
    said = rows(written(tmp_path, content(images=images)))
    assert said == [
        (1, "train2017/00 1.jpg", "cat", "present"),
        (1, "train2017/00 1.jpg", "dog", "present"),
        (1, "train2017/00 1.jpg", "cow", "absent"),
        (2, "x/2.jpg", "dog", "present"),
    ]


def test_segments_of_panoptic_files_are_read(tmp_path: Path) -> None:
    segments = [{"id": 8, "category_id": 7, "iscrowd": 0, "area": 5}, {"id": 9, "category_id": 1}, {"category_id": 7}]
    annotations = [
        {"image_id": 2, "file_name": "a.png", "segments_info": segments},
        {"image_id": 3, "segments_info": []},
    ]
    assert rows(written(tmp_path, content(annotations=annotations))) == [
        (1, "b.jpg", None, None),
        (2, "a.jpg", "cat", "present"),
        (2, "a.jpg", "dog", "present"),
        (3, "c.jpg", None, None),
    ]


@pytest.mark.parametrize(
    ("changes", "classes"),
    [
        ({"images": [{**each, "id": str(each["id"])} for each in IMAGES]}, ["dog", "cat", "dog", None]),
        ({"images": [{**each, "id": float(each["id"])} for each in IMAGES]}, ["dog", "cat", "dog", None]),
        ({"categories": [{**each, "id": str(each["id"])} for each in CATEGORIES]}, ["dog", "cat", "dog", None]),
        # Of one name under two ids there is one class.
        ({"categories": [*CATEGORIES[1:], {"id": 1, "name": " dog"}]}, ["dog", "dog", None]),
        ({"categories": [{"id": 1, "name": "a\r\nb"}, {"id": 7, "name": 7}, CATEGORIES[2]]}, ["7", "a b", "7", None]),
        ({"categories": [{"id": 1, "name": "N/A"}, *CATEGORIES[1:]]}, ["dog", "dog", None]),
        ({"annotations": []}, [None, None, None]),
        ({"annotations": [], "categories": [{"id": 1, "name": "N/A"}]}, [None, None, None]),
    ],
)
def test_odd_files_that_can_be_meant_are_read(
    tmp_path: Path, changes: dict[str, Any], classes: list[str | None]
) -> None:
    assert [row[2] for row in rows(written(tmp_path, content(**changes)))] == classes


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (r"train\sub\1.jpg", "train/sub/1.jpg"),
        ("./1.jpg", "1.jpg"),
        ("/data/1.jpg", "data/1.jpg"),
        ("https://x.org/y/1%23.jpg?z=3", "y/1#.jpg"),
        ("1%23.jpg", "1%23.jpg"),
    ],
)
def test_names_of_images_are_paths_with_slashes(tmp_path: Path, name: str, key: str) -> None:
    images = [{"id": 1, "file_name": name, "coco_url": "http://other/2.jpg"}]
    assert rows(written(tmp_path, content(images=images, annotations=[]))) == [(1, key, None, None)]


ODD = {
    "an annotation of no image": (
        content(annotations=[{"image_id": 99, "category_id": 1}]),
        "images has no id 99, which another list names",
    ),
    "an annotation of no category": (
        content(annotations=[{"image_id": 2, "category_id": "x"}]),
        "categories has no id 'x', which another list names",
    ),
    "an absent class of no category": (
        content(images=[{**IMAGES[1], "neg_category_ids": [4]}, *IMAGES[::2]]),
        "categories has no id 4",
    ),
    "an annotation without an image": (
        content(annotations=[ANNOTATIONS[0], {"category_id": 1}]),
        r"annotations\[1\]: image_id wants a number or a text, got None",
    ),
    "a caption": (content(annotations=[{"image_id": 2, "caption": "x"}]), r"annotations\[0\]: category_id wants"),
    "an id of another kind": (content(images=[{"id": [1], "file_name": "a"}]), r"images\[0\]: id wants .* got \[1\]"),
    "true as an id": (content(images=[{"id": True, "file_name": "a"}]), r"images\[0\]: id wants .* got True"),
    "two images of one id": (
        content(images=[*IMAGES, {"id": 3, "file_name": "d.jpg"}]),
        r"images\[3\]: the id 3 is that of 'b.jpg' too",
    ),
    "two categories of one id": (
        content(categories=[*CATEGORIES, {"id": 7, "name": "hen"}]),
        r"categories\[3\]: the id 7 is that of 'dog' too",
    ),
    "a category without a name": (content(categories=[{"id": 1}]), r"categories\[0\] has no name"),
    "an empty name": (content(categories=[{"id": 1, "name": ""}]), r"categories\[0\] has no name"),
    "a list as a name": (content(categories=[{"id": 1, "name": ["cat"]}]), r"categories\[0\] has no name"),
    "a name that is a text": (content(categories=[{"id": 1, "name": "x" * 1001}]), r"\[0\]: the name is longer than"),
    "an image without a name": (content(images=[{"id": 2}]), r"images\[0\] has neither file_name nor coco_url"),
    "a URL that is none": (content(images=[{"id": 2, "file_name": "s3://[x/1.jpg"}]), r"images\[0\]: .* is no URL"),
    "a number as a name": (content(images=[{"id": 2, "file_name": 5}]), r"images\[0\] has neither"),
    "no list of absences": (
        content(images=[{**IMAGES[0], "neg_category_ids": 3}]),
        r"images\[0\]: neg_category_ids wants a list, got 3",
    ),
    "no list of segments": (
        content(annotations=[{"image_id": 2, "segments_info": {"category_id": 1}}]),
        r"annotations\[0\]: segments_info wants a list",
    ),
    "a segment that is none": (
        content(annotations=[{"image_id": 2, "segments_info": [3]}]),
        r"annotations\[0\]: category_id wants",
    ),
    "a list of images of a test set": (
        content(annotations=...),
        "has no annotations: it lists images alone, as those of test sets do; a file of annotations in COCO's",
    ),
    "captions": (content(categories=...), "has no categories; a file of annotations in COCO's format has images, "),
    "another object": ({"a": 1}, "has no images"),
    "no images": (content(images=[], annotations=[]), "images is empty"),
    "no categories": (content(categories=[], annotations=[]), "categories is empty"),
    "images by id": (content(images={"1": {"id": 1}}), "images wants a list"),
    "null for a list": (content(annotations=None), "annotations wants a list"),
    "ids in a list": (content(images=[1, 2]), r"images\[0\] wants an object, got 1"),
    "lists in a list": (content(annotations=[[[[[[1]]]]]]), r"annotations\[0\] wants an object"),
    "a list of tasks": (
        [{"data": {"image": "a.jpg"}, "annotations": []}],
        "is no file of annotations in COCO's format",
    ),
    "a text": ('"x"', "is no file of annotations in COCO's format: wants one object with images, annotations and"),
    "JSON Lines": (json.dumps(content()) + "\n" + json.dumps(content()), "holds more than one JSON value: JSON Lines"),
    "JSON Lines of a list": (
        '{"file_name": "a", "label": "b"}\n{"file_name": "c"}\n',
        "holds more than one JSON value",
    ),
    "nothing": ("", "ends too early: is it whole?"),
    "a cut file": (json.dumps(content())[:-40], "ends too early: is it whole?"),
    "a number that is none": (json.dumps(content()).replace("2.5", "NaN"), "is no JSON"),
    "a table": ("key,label\na,cat\n", "is no JSON"),
    "a number beyond all": (json.dumps(content()).replace('"image_id": 2', '"image_id": 1e999'), "is no JSON"),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_files_are_refused_in_a_sentence_that_names_the_file(tmp_path: Path, odd: str) -> None:
    value, message = ODD[odd]
    path = written(tmp_path, value)
    with pytest.raises(ValueError, match=message) as refused:
        read_coco(path, True)
    assert str(refused.value).startswith(str(path)) and "\n" not in str(refused.value)


def test_bytes_that_are_no_text_and_archives_that_are_none_are_refused(tmp_path: Path) -> None:
    good = json.dumps(content()).encode()
    packed = gzip.compress(good)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    files = {
        "latin.json": good.replace(b"cat", b"caf\xe9"),
        "wide.json": json.dumps(content()).encode("utf-16"),
        "packed.json": packed,
        "plain.json.gz": good,
        "cut.json.gz": packed[:-12],
        "flipped.json.gz": bytes(flipped),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=r"is no JSON|ends too early|JSON value") as refused:
            read_coco(tmp_path / name, True)
        assert str(refused.value).startswith(str(tmp_path / name)) and "\n" not in str(refused.value)


def test_without_states_an_image_is_of_one_class_at_most(tmp_path: Path) -> None:
    path = written(tmp_path, content())
    with pytest.raises(ValueError, match=r"image 2: is of several classes, 'cat' and 'dog'; `labels: .kind: multi"):
        read_coco(path, False)
    images = [{**IMAGES[0], "neg_category_ids": [9]}, IMAGES[1], {**IMAGES[2], "neg_category_ids": [9]}]
    alone = written(tmp_path, content(images=images, annotations=ANNOTATIONS[:3]), "alone.json")
    assert rows(alone, False) == [
        (1, "b.jpg", "dog", "present"),
        (2, "a.jpg", "dog", "present"),
        (3, "c.jpg", None, None),
    ]


DEEP = """
import resource, sys
from pathlib import Path
from windrow.tasks.storage.user_files.coco_file import read_coco
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(read_coco(Path(sys.argv[1]), True).rows.num_rows)
except ValueError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used) // 1024)
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"images": ' + "[" * 200_000, "ends too early"),
        (json.dumps(content(info="X")).replace('"X"', "[" * 200_000 + "]" * 200_000), "4"),
        (json.dumps(content(annotations="X")).replace('"X"', '[{"image_id":' * 9_000), "is no JSON"),
    ],
)
def test_what_nests_deep_takes_no_memory(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    ended = subprocess.run([sys.executable, "-c", DEEP, str(path)], capture_output=True, text=True, timeout=60)
    said, grown = ended.stdout.splitlines()
    assert told in said and int(grown) < 200, ended.stderr


LEAVES = st.none() | st.booleans() | st.integers(-3, 9) | st.floats(0, 9) | st.sampled_from(["", "cat", "7", "a.jpg"])
FIELDS = (
    "id",
    "name",
    "file_name",
    "coco_url",
    "image_id",
    "category_id",
    "neg_category_ids",
    "segments_info",
    "other",
)
FLAT = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), LEAVES, max_size=4)
VALUES = FLAT | st.lists(FLAT, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), FLAT, max_size=3)
ENTRIES = st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5) | VALUES, max_size=3)
OBJECTS = st.fixed_dictionaries(
    {}, optional={name: ENTRIES | st.just(content()[name]) for name in ("images", "annotations", "categories", "info")}
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OBJECTS | VALUES, st.integers(0, 40))
def test_whatever_json_holds_is_read_or_refused_in_a_sentence(tmp_path: Path, value: Any, cut: int) -> None:
    text = json.dumps(value)
    for written_text in (text, text[: max(len(text) - cut, 0)]):
        path = written(tmp_path, written_text)
        try:
            file = read_coco(path, True)
        except ValueError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
        else:
            assert file.rows["line"].to_pylist() == sorted(file.rows["line"].to_pylist())
            assert {row["label"] for row in file.rows.to_pylist()} <= {*file.classes, None}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_says_what_json_and_sets_say_of_it(tmp_path: Path, data: st.DataObject) -> None:
    images = data.draw(st.lists(st.integers(0, 30), min_size=1, max_size=6, unique=True))
    categories = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=5, unique=True))
    pairs = st.tuples(st.sampled_from(images), st.sampled_from(categories))
    present, absent = data.draw(st.lists(pairs, max_size=12)), data.draw(st.lists(pairs, max_size=12))
    whole = {
        "annotations": [{"image_id": image, "category_id": category} for image, category in present],
        "images": [
            {"id": each, "file_name": f"{each}.jpg", "neg_category_ids": [b for a, b in absent if a == each]}
            for each in images
        ],
        "categories": [{"id": each, "name": f"class {each // 2}"} for each in categories],
    }
    path = written(tmp_path, whole)
    wanted = {(f"{a}.jpg", f"class {b // 2}", "present") for a, b in present}
    wanted |= {(f"{a}.jpg", f"class {b // 2}", "absent") for a, b in absent}
    wanted |= {(f"{each}.jpg", None, None) for each in images if each not in {a for a, _ in (*present, *absent)}}
    found = [row[1:] for row in rows(path)]
    assert len(found) == len(wanted) and set(found) == wanted


def test_pycocotools_reads_the_same(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    coco = importlib.import_module("pycocotools.coco").COCO(str(written(tmp_path, content())))
    said = {
        (coco.loadImgs(each["image_id"])[0]["file_name"], coco.loadCats(each["category_id"])[0]["name"])
        for each in coco.loadAnns(coco.getAnnIds())
    }
    assert said == {(row[1], row[2]) for row in rows(tmp_path / "instances.json") if row[2]}
