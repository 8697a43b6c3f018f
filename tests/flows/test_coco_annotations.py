"""Annotations in COCO's format go through the whole pipeline: with a vocabulary, and as LVIS has them."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from banded_pool import COLOURS, picture
from command_line import run_here
from inline_run import curate_inline

from windrow.flows.summary import summarise
from windrow.tasks.config import CurationConfig, parse_config
from windrow.tasks.storage.catalog.views import connect_run, open_catalog
from windrow.tasks.storage.verify.verification import verify
from windrow.tasks.texts.markdown import inline

N = 120
STATES = ("absent", "present")
LISTED = 90
"""Images that the file lists; the others are in the pool alone."""


def pool(folder: Path, absent: np.ndarray | None, **multi: Any) -> tuple[CurationConfig, np.ndarray]:
    """A pool of pictures of colours below `images`, and a file of most of them, and of two that are not there.

    absent, bool (N, 3): what is said not to be there, as LVIS does. Returns the config and what each picture shows.
    """
    rng = np.random.default_rng(0)
    shown = rng.random((N, 3)) < 0.5
    (folder / "images" / "train").mkdir(parents=True)
    for number in range(N):
        picture(rng, shown[number]).save(folder / "images" / "train" / f"{number}.png")
    images: list[dict[str, Any]] = [{"id": 1000 + each, "file_name": f"train/{each}.png"} for each in range(LISTED)]
    if absent is not None:
        images = [
            {
                "id": 1000 + each,
                "coco_url": f"http://images.cocodataset.org/train/{each}.png",
                "neg_category_ids": (np.flatnonzero(absent[each]) + 1).tolist(),
                "not_exhaustive_category_ids": [],
            }
            for each in range(LISTED)
        ]
    images += [{"id": 7, "file_name": "train/lost.png"}, {"id": 8, "file_name": "train/gone.png"}]
    annotations = [
        {"image_id": 1000 + each, "category_id": int(number) + 1, "iscrowd": 0, "bbox": [0, 0, 1, 1]}
        for each in range(LISTED)
        for number in np.flatnonzero(shown[each])
    ]
    categories = [{"id": number + 1, "name": name} for number, name in enumerate(COLOURS)]
    whole = {"images": images, "annotations": annotations * 2, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(whole))
    values = {
        "name": "bands",
        "store": str(folder / "store"),
        "sources": [str(folder / "images")],
        "features": {"name": "patches"},
        "neighbors": {"k": 5},
        "clustering": {"n_clusters": [6, 2]},
        "labels": {
            "kind": "multi",
            "given": str(folder / "instances.json"),
            "multi": {"promise": 0.8, "failure_rate": 0.3, **multi},
        },
        "selection": {"target_size": 60},
        "worth": {"holdout_share": 0},
    }
    return parse_config(values), shown


def given_states(store: Path) -> dict[int, tuple[list[str], list[str]]]:
    sql = "SELECT key, present, absent FROM states JOIN occurrences USING (sample_id) WHERE label_set = 'given'"
    found = connect_run(store).execute(sql).fetchall()
    return {int(Path(key).stem): (present, absent) for key, present, absent in found}


def names(which: np.ndarray) -> list[str]:
    return sorted(COLOURS[number] for number in np.flatnonzero(which))


def told(config: CurationConfig, n_present: int, n_absent: int) -> str:
    return (
        f"labels.given: {config.labels.given[0]}: 92 images, 90 matched, 2 unmatched, 0 empty, 0 conflicting,"
        " 0 ambiguous; unmatched: image 91 (key 'train/lost.png'), image 92 (key 'train/gone.png'); 3 classes, said to"
        f" be present {n_present} times and absent {n_absent}; samples of the pool that it does not name: 30"
    )


def test_with_its_categories_as_vocabulary_what_is_not_annotated_is_absent(tmp_path: Path) -> None:
    config, shown = pool(tmp_path, None, vocabulary="categories")
    run = curate_inline(config)
    found = given_states(run.store)
    assert found == {each: (names(shown[each]), names(~shown[each])) for each in range(LISTED)}
    assert any(present == [] for present, _ in found.values())  # an image without an annotation
    assert inline(told(config, int(shown[:LISTED].sum()), 0)) in summarise(run)
    assert verify(run.store).damage == ()
    pseudo = "SELECT count(*) FROM states WHERE label_set = 'pseudo' AND len(present) + len(absent) = 3"
    assert open_catalog(run.store).sql(pseudo).fetchall()[0][0] > LISTED
    _asked_are_unknown(run.store, tmp_path / "pairs.csv")
    _true_states_are_those_of_all_categories(run.store, tmp_path, shown)


def _asked_are_unknown(store: Path, path: Path) -> None:
    """Of the pairs that are asked for a file of states takes no other class for absent."""
    assert run_here("annotate", str(path), "-n", "5", "--store", str(store)).returncode == 0
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 and {row["state"] for row in rows} == {"unknown"}


def _true_states_are_those_of_all_categories(store: Path, folder: Path, shown: np.ndarray) -> None:
    """A file of annotations of the other images gives the curves that a table of all states gives."""
    pairs = list(np.ndindex(N - LISTED, 3))
    table, file = folder / "truth.csv", folder / "truth.json"
    states = [(f"train/{LISTED + row}.png", COLOURS[k], STATES[int(shown[LISTED + row, k])]) for row, k in pairs]
    with table.open("w") as out:
        csv.writer(out).writerows([("key", "label", "state"), *states])
    found = [{"image_id": row, "category_id": k} for row, k in pairs if shown[LISTED + row, k]]
    images = [{"id": row, "file_name": f"train/{LISTED + row}.png"} for row in range(N - LISTED)]
    categories = [{"id": k, "name": name} for k, name in enumerate(COLOURS)]
    file.write_text(json.dumps({"images": images, "annotations": found, "categories": categories}))
    curves = [run_here("audit", "curve", str(path), "--store", str(store)) for path in (table, file)]
    assert [each.returncode for each in curves] == [0, 0], curves[1].stderr
    of_table, of_file = (each.stdout.splitlines()[1:] for each in curves)
    assert of_table == of_file and any("pairs of it are absent" in line for line in of_file)


def test_as_lvis_has_it_only_what_is_said_is_known(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    absent = rng.random((N, 3)) < 0.6
    config, shown = pool(tmp_path, absent := absent & ~_shown())
    run = curate_inline(config)
    wanted = {each: (names(shown[each]), names(absent[each])) for each in range(LISTED)}
    assert given_states(run.store) == {each: states for each, states in wanted.items() if any(states)}
    lines = summarise(run)
    assert inline(told(config, int(shown[:LISTED].sum()), int(absent[:LISTED].sum()))) in lines
    rows = open_catalog(run.store).sql("SELECT * EXCLUDE (setting) FROM coco_files").fetchall()
    assert rows == [(int(shown[:LISTED].sum()), int(absent[:LISTED].sum()), 3, 30)]
    assert verify(run.store).damage == ()


def _shown() -> np.ndarray:
    return np.random.default_rng(0).random((N, 3)) < 0.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"images": [{"id": 1, "file_name": "0.png"}]', ("ends too early",)),
        ('{"images": [{"id": 1, "file_name": "nowhere.png"}], "annotations": [], "categories": [{"id": 1, "name": 7}]}',
         ("names none of the pool's samples", "image 1 (key 'nowhere.png')")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_before_the_pool_is_read(tmp_path: Path, text: str, words: Sequence[str]) -> None:
    config, _ = pool(tmp_path, None)
    (tmp_path / "instances.json").write_text(text)
    with pytest.raises(ValueError, match=r"labels\.given: .*instances\.json") as refused:
        curate_inline(config)
    assert all(word in str(refused.value) for word in words)
    assert not list(Path(config.store).glob("outputs/ingest/*"))
