"""A night keeps a judgement while what was judged has changed by little, counted from what was judged."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from judged_store import judged_run, write_tables
from small_features import ids
from small_labels import given_table

from windrow.schemas import SELECTION, WORTH, WORTH_KEPT
from windrow.schemas.stages import Stage
from windrow.tasks.config import parse_config
from windrow.tasks.curation_under_way import Curation
from windrow.tasks.report.worth_facts import read_worth
from windrow.tasks.runner import PlainRunner
from windrow.tasks.steps import ranking_steps
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import Done, open_output
from windrow.tasks.storage.store.removed_outputs import remove_output
from windrow.tasks.storage.store.run_records import StageRecord, start_run
from windrow.tasks.storage.store.store_format import mark_format
from windrow.tasks.worth.kept_judgement import Judged, _changed, judged_before, told_kept
from windrow.tasks.worth.pool_worth import measure_worth
from windrow.tasks.worth.worth_config import WorthConfig

KNN = WorthConfig(probe="knn", most_changed=0.1)


def measured(store: Path, made: Made, judged: Judged | None, config: WorthConfig = KNN, seed: int = 0) -> Done:
    return measure_worth(store, made, "set", "pseudo", config, seed, judged_earlier=judged)


def finish_run(store: Path, made: Made, worth: Done, version: str | None = "curated/set/v0007") -> None:
    run = start_run(store, "set", asdict(parse_config({"name": "set", "sources": ["."], "store": str(store)})))
    for stage, paths in (
        (Stage.PSEUDO_LABEL, made.pseudo_label),
        (Stage.RANK, made.rank),
        (Stage.WORTH, (worth.path,)),
    ):
        run.record(StageRecord(stage, paths, 0, 0, 0.0, {}))
    run.record(StageRecord(Stage.EXPORT, (), 0, 0, 0.0, {}, version))
    run.finish("finished")


def swapped(store: Path, made: Made, n: int) -> Made:
    """The run with n of the 100 selected samples replaced by others."""
    table = open_output(store / made.rank[0]).read(SELECTION)
    rank = [row["rank"] for row in table.to_pylist()]
    moved = [each + n if each and each <= 100 else each - 100 if each and each <= 100 + n else each for each in rank]
    selected = [each is not None and each <= 100 for each in moved]
    weights = [1.0 if each else None for each in selected]
    splits = ["train" if each else None for each in selected]
    columns = {**table.to_pydict(), "rank": moved, "selected": selected, "sample_weight": weights, "split": splits}
    return replace(made, rank=(write_tables(store, "rank", {SELECTION: columns}),))


@pytest.fixture
def judged(tmp_path: Path) -> tuple[Path, Made, Done]:
    """A store whose last run judged its set and published it as v0007."""
    mark_format(tmp_path)
    made = judged_run(tmp_path, "even")
    done = measured(tmp_path, made, None)
    finish_run(tmp_path, made, done)
    return tmp_path, made, done


def kept_row(store: Path, done: Done) -> Mapping[str, Any] | None:
    output = open_output(store / done.path)
    return output.read(WORTH_KEPT).to_pylist()[0] if "judged" in output.inputs else None


def test_changes_are_samples_with_their_labels_over_those_in_either_set() -> None:
    one = given_table(ids(4), ["ant", "bee", None, "cat"]).select(["sample_id", "label"])
    two = given_table(ids(5), ["ant", "cat", None, "cat", "cat"]).select(["sample_id", "label"])
    assert _changed(one, one) == 0
    assert _changed(one, two) == _changed(two, one) == pytest.approx(1 - 3 / 6)
    assert _changed(one.slice(0, 0), one.slice(0, 0)) == 0


def test_a_kept_judgement_says_which_version_it_is_of_and_what_has_changed_since(
    judged: tuple[Path, Made, Done],
) -> None:
    store, made, done = judged
    tonight = swapped(store, made, 4)
    kept = measured(store, tonight, judged_before(store, "set"))
    row = kept_row(store, kept)
    assert row is not None
    assert (row["judged_on"], row["pool_changed"], row["held_out_changed"]) == ("v0007", 0, 0)
    assert row["changed"] == row["set_changed"] == pytest.approx(1 - 96 / 104)
    outputs = [open_output(store / each.path) for each in (done, kept)]
    assert outputs[0].read(WORTH).equals(outputs[1].read(WORTH))
    assert told_kept(outputs[0]) is None
    assert told_kept(outputs[1]) == "judged on v0007, of which 7.7% has changed since"
    facts = read_worth(connect(tables_of({"worth": outputs[1:]})))
    assert facts is not None
    assert facts.sentence.endswith(" This was judged on v0007, of which 7.7% has changed since.")
    assert measured(store, tonight, judged_before(store, "set")).found


def test_changes_add_up_until_the_set_is_judged_anew(judged: tuple[Path, Made, Done]) -> None:
    store, made, _ = judged
    for number, n in enumerate((3, 5)):
        tonight = swapped(store, made, n)
        kept = measured(store, tonight, judged_before(store, "set"))
        row = kept_row(store, kept)
        assert row is not None and row["judged_on"] == "v0007"
        finish_run(store, tonight, kept, f"curated/set/v000{8 + number}")
    assert kept_row(store, measured(store, swapped(store, made, 6), judged_before(store, "set"))) is None


@pytest.mark.parametrize(
    ("how", "config", "seed"),
    [
        ("even", WorthConfig(probe="knn", most_changed=0.01), 0),
        ("even", WorthConfig(probe="knn", n_seeds=6), 0),
        ("even", KNN, 1),
        ("one", KNN, 0),
    ],
    ids=["a lower bound", "other settings", "another seed", "a set that was worse"],
)
def test_what_is_another_question_or_was_worse_is_judged_anew(
    tmp_path: Path, how: str, config: WorthConfig, seed: int
) -> None:
    mark_format(tmp_path)
    made = judged_run(tmp_path, how)
    finish_run(tmp_path, made, measured(tmp_path, made, None))
    tonight = swapped(tmp_path, made, 4)
    assert kept_row(tmp_path, measured(tmp_path, tonight, judged_before(tmp_path, "set"), config, seed)) is None


def test_nothing_is_kept_of_what_was_not_published_or_what_a_take_down_removed(
    judged: tuple[Path, Made, Done],
) -> None:
    store, made, done = judged
    assert judged_before(store, "set") is not None
    assert judged_before(store, "other") is None
    finish_run(store, made, done, None)
    assert judged_before(store, "set") is None
    finish_run(store, made, done)
    remove_output(store / made.rank[0])
    assert judged_before(store, "set") is None


def test_a_full_judgement_that_is_there_is_taken(judged: tuple[Path, Made, Done]) -> None:
    store, made, _ = judged
    tonight = swapped(store, made, 4)
    full = measured(store, tonight, None)
    assert measured(store, tonight, judged_before(store, "set")).path == full.path


@pytest.mark.parametrize(
    ("attended", "changes", "kept"),
    [
        (False, {}, True),
        (True, {}, False),
        (False, {"worth": {"most_changed": 0.0}}, False),
        (False, {"selection": {"guard": "last"}}, False),
        (False, {"selection": {"guard": "random"}}, True),
    ],
    ids=["a night", "by hand", "every night", "beside the last version", "beside random sets"],
)
def test_only_a_night_keeps_a_judgement_and_not_where_the_last_version_is_asked_about(
    judged: tuple[Path, Made, Done], attended: bool, changes: dict[str, Any], kept: bool
) -> None:
    config = parse_config({"name": "set", "sources": ["."], "store": str(judged[0]), **changes})
    run = start_run(judged[0], "set", asdict(config))
    curation = Curation(config, run, PlainRunner(n_threads=1, delays=()), judged[1], attended=attended)
    assert (ranking_steps._judged_before(curation) is not None) == kept
