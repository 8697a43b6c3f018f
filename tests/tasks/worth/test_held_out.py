"""Held out: with their groups, out of the makers' sight, and only where they can tell something."""

from pathlib import Path

import pytest
from judged_store import labelled_run
from small_features import ids

from windrow.schemas import HELD_OUT, LABELS
from windrow.tasks.storage.store.outputs import open_output
from windrow.tasks.worth.held_out import hold_out, without_held_out
from windrow.tasks.worth.worth_config import WorthConfig


def held(store: Path, path: str) -> dict[str, str | None]:
    rows = open_output(store / path).read(HELD_OUT).to_pylist()
    return {row["sample_id"]: row["label"] for row in rows}


def test_a_fifth_of_many_labels_is_held_out_and_taken_from_the_makers(tmp_path: Path) -> None:
    made = labelled_run(tmp_path, 400)
    done = hold_out(tmp_path, made, WorthConfig(), 0.95, 0)
    found = held(tmp_path, done.path)
    assert 50 <= len(found) <= 120
    assert done.counts == {"n_held_out": len(found), "n_evaluated": len(found)}
    kept = without_held_out(tmp_path, made.given_labels[0], done.path)
    given = open_output(tmp_path / kept.path).read(LABELS)["sample_id"].to_pylist()
    assert {*given} == {*ids(400)} - {*found}
    assert kept.counts["n_given"] == 400 - len(found)


@pytest.mark.parametrize("config", [WorthConfig(), WorthConfig(holdout_share=0)])
def test_of_few_labels_none_is_held_out(tmp_path: Path, config: WorthConfig) -> None:
    made = labelled_run(tmp_path, 150)
    assert hold_out(tmp_path, made, config, 0.95, 0).counts == {"n_held_out": 0, "n_evaluated": 0}


def test_the_samples_of_a_file_are_held_out_with_what_shares_their_groups(tmp_path: Path) -> None:
    made = labelled_run(tmp_path, 20, groups={0: "a video", 1: "a video", 2: "another", 3: "another"})
    file = tmp_path / "judges.csv"
    file.write_text("key,label\npicture 1,dog\npicture 9,cat\nnowhere,cat\n")
    config = WorthConfig(evaluate=str(file))
    done = hold_out(tmp_path, made, config, 0.999, 0)
    names = ids(20)
    assert held(tmp_path, done.path) == {names[0]: None, names[1]: "dog", names[9]: "cat"}
    file.write_text("key,label\npicture 9,cat\n")
    assert hold_out(tmp_path, made, config, 0.999, 0).counts["n_held_out"] == 1  # another file, other samples


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    made = labelled_run(tmp_path, 20)
    with pytest.raises(
        ValueError, match=r"worth.evaluate: wants a .csv, .tsv or .parquet file, or COCO's .json; got 'no.csv'"
    ):
        hold_out(tmp_path, made, WorthConfig(evaluate="no.csv"), 0.95, 0)
