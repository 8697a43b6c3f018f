"""The stage: what it says of selections whose worth is known, of what it cannot know, and of a last version."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judged_store import M, N, judged_run, write_tables

from windrow.schemas import SELECTION, WORTH, WORTH_CURVE, WORTH_SETS
from windrow.schemas.exported import EXPORTED_SAMPLES
from windrow.tasks.algorithms.labels.states.known_states import KnownStates
from windrow.tasks.algorithms.worth.set_probe import JudgedPool
from windrow.tasks.report.worth_facts import read_worth
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.files.parquet import write_table
from windrow.tasks.storage.published.versions import SAMPLES, Version
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import Done, open_output
from windrow.tasks.worth import version_before as versions
from windrow.tasks.worth.guard import kept_back
from windrow.tasks.worth.pool_worth import judging_of, measure_worth
from windrow.tasks.worth.worth_config import WorthConfig

KNN = WorthConfig(probe="knn")
Rows = dict[tuple[str, str], dict[str, Any]]


def measured(store: Path, made: Made, config: WorthConfig = KNN) -> Done:
    return measure_worth(store, made, "set", "pseudo", config, 0)


def rows_of(store: Path, done: Done) -> Rows:
    return {(row["baseline"], row["weighting"]): row for row in open_output(store / done.path).read(WORTH).to_pylist()}


def sentence_of(store: Path, done: Done) -> str:
    facts = read_worth(connect(tables_of({"worth": [open_output(store / done.path)]})))
    assert facts is not None
    return facts.sentence


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worth")


@pytest.fixture(scope="module")
def even(store: Path) -> Done:
    return measured(store, judged_run(store, "even"))


def test_an_even_selection_of_a_long_tail_is_worth_more_and_the_guard_lets_it_pass(store: Path, even: Done) -> None:
    row = rows_of(store, even)["random", "plain"]
    assert (row["verdict"], row["decides"], row["n_evaluated"], row["n_samples"]) == ("better", True, M, 100)
    assert row["multiplier"] > 1
    assert 0 < row["difference_low"] < row["quality"] - row["baseline_quality"] < row["difference_high"]
    assert kept_back(store, even.path, "random") is None
    assert f"on {M} held-out samples" in sentence_of(store, even)
    assert sentence_of(store, even).startswith("The curated set is worth")


def test_the_sets_and_the_curve_are_told_too(store: Path, even: Done) -> None:
    output = open_output(store / even.path)
    sets = {row["set"]: row for row in output.read(WORTH_SETS).to_pylist()}
    assert sets["curated"]["balance"] > sets["random"]["balance"]
    assert sets["curated"]["effective_clusters"] > sets["random"]["effective_clusters"]
    assert {row["n_given"] for row in sets.values()} == {100}
    curve = [row["n_samples"] for row in output.read(WORTH_CURVE).to_pylist() if row["weighting"] == "plain"]
    assert curve == [12, 25, 50, 100, 200, 400, N]


def test_it_is_found_done_and_is_the_same_on_another_machine(store: Path, even: Done, tmp_path: Path) -> None:
    assert measured(store, judged_run(store, "even")).found
    again = measured(tmp_path, judged_run(tmp_path, "even"))
    assert open_output(tmp_path / again.path).digest == open_output(store / even.path).digest


def test_a_selection_of_one_class_is_worse_and_the_guard_keeps_it_back(store: Path) -> None:
    done = measured(store, judged_run(store, "one"))
    assert rows_of(store, done)["random", "plain"]["verdict"] == "worse"
    why = kept_back(store, done.path, "random")
    assert why is not None
    assert why.startswith("worse than 100 of random samples of the pool")
    assert kept_back(store, done.path, "off") is None
    assert kept_back(store, done.path, "last") is None  # there is none
    assert sentence_of(store, done).startswith("The curated set is worse than random")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"n_held": 0}, "some 300 given labels"),
        ({"n_held": 49}, "49 independent groups, and 50 are the least"),
        ({"labelled": False}, "no selected sample has a label of the evaluated classes"),
    ],
)
def test_what_cannot_be_told_is_unknown_and_is_published(store: Path, made: dict[str, Any], why: str) -> None:
    done = measured(store, judged_run(store, "one", **made))
    row = rows_of(store, done)["random", "plain"]
    assert (row["verdict"], row["quality"]) == ("unknown", None)
    assert why in row["why"]
    assert kept_back(store, done.path, "random") is None
    assert "could not be measured" in sentence_of(store, done)


def published(store: Path, made: Made, monkeypatch: pytest.MonkeyPatch, held_out: int = 0) -> Version:
    """Make the selection of a run the last version, with some of what is held out."""
    table = open_output(store / made.rank[0]).read(SELECTION)
    rows = [row for row in table.to_pylist() if row["selected"]]
    rows += [
        {**row, "rank": 200, "sample_weight": 1.0, "split": "train"} for row in table.to_pylist()[N : N + held_out]
    ]
    connection = connect(tables_of(made.opened(store, "pseudo_label")))  # type: ignore[arg-type]
    labels = dict(connection.sql("SELECT sample_id, label FROM labels WHERE label_set = 'pseudo'").fetchall())
    same: dict[str, Any] = {"sample_index": 0, "cluster_path": [0], "width": 1, "height": 1, "format": "PNG"}
    same |= {"n_bytes": 1, "source_uri": "pool"}
    columns = {
        name: [row[name] for row in rows] for name in ("sample_id", "rank", "sample_weight", "split", "group_id")
    }
    columns |= {"label": [labels.get(row["sample_id"]) for row in rows]}
    table = EXPORTED_SAMPLES.build({**columns, **{name: [value] * len(rows) for name, value in same.items()}})
    folder = store / f"version {len(rows)} {made.rank[0][-8:]}"
    folder.mkdir(exist_ok=True)
    write_table(EXPORTED_SAMPLES, table, folder / SAMPLES)
    version = Version("set", "v0001", folder, str(folder.name), len(rows), 1, 1)
    monkeypatch.setattr(versions, "versions_backwards", lambda *_: iter([version]))
    return version


def test_a_set_is_compared_with_the_last_version_of_other_samples(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    even, one = judged_run(store, "even"), judged_run(store, "one")
    published(store, even, monkeypatch)
    found = measured(store, one)
    assert rows_of(store, found)["last", "plain"]["verdict"] == "worse"
    why = kept_back(store, found.path, "last")
    assert why is not None
    assert "the last version" in why
    assert ("last", "plain") not in rows_of(store, measured(store, even))  # its own version is not another


def test_a_version_that_holds_what_is_held_out_today_is_no_measure(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(store, judged_run(store, "even"), monkeypatch, held_out=10)
    row = rows_of(store, measured(store, judged_run(store, "one")))["last", "plain"]
    assert row["verdict"] == "unknown"
    assert "before the evaluated samples were held out" in row["why"]


def test_a_selection_of_nothing_is_worth_nothing_that_could_be_told(store: Path) -> None:
    made = judged_run(store, "even")
    table = open_output(store / made.rank[0]).read(SELECTION)
    none = [None] * table.num_rows
    columns = {**table.to_pydict(), "selected": [False] * table.num_rows, "sample_weight": none, "split": none}
    path = write_tables(store, "rank", {SELECTION: columns})
    row = rows_of(store, measured(store, replace(made, rank=(path,))))["random", "plain"]
    assert (row["verdict"], row["why"]) == ("unknown", "nothing was selected")


def test_many_classes_are_judged_by_neighbours_but_states_never() -> None:
    row, none = np.ones((1, 1), np.float32), np.full(1, -1)
    pool = JudgedPool(row, none, np.zeros(1), row, none[:0], 101)
    states = KnownStates.of_matrix(np.full((1, 101), -1, np.int8))
    asked = (pool, replace(pool, n_classes=100), replace(pool, states=states, sample=none[:0]))
    found = [judging_of(each, WorthConfig(), 0).probe.name for each in asked]
    assert found == ["knn", "logistic", "logistic"]
