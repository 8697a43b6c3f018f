"""What a set is worth where samples may be of several classes, from a pool of pictures to a verdict and a guard."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from banded_pool import COLOURS, banded_pool, banded_values, picture
from command_line import run_here
from inline_run import curate_inline

from windrow.flows.commands.tune_answer import print_tuned
from windrow.schemas.stages import Stage
from windrow.tasks.config import CurationConfig, load_config
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.store.run_records import Run
from windrow.tasks.storage.verify.verification import verify

N = 480
SMALL = ("tune.policies=[class-balanced,random]", "tune.sharpness=[2]", "tune.class_balance=[1]", "tune.most_seeds=2")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> CurationConfig:
    selection = {"target_size": 90, "guard": "random"}
    return banded_pool(tmp_path_factory.mktemp("worth"), N, selection=selection)


@pytest.fixture(scope="module")
def run(config: CurationConfig) -> Run:
    return curate_inline(config)


def test_a_fifth_of_what_is_known_is_held_out_and_nobody_learns_from_it(run: Run) -> None:
    catalog = connect_run(run.store, run.run_id)
    held = dict(catalog.execute("SELECT sample_id, key FROM held_out JOIN occurrences USING (sample_id)").fetchall())
    assert 50 <= len(held) <= 90  # of 321
    given = "SELECT count(*) FROM states WHERE label_set = 'given' AND sample_id IN (SELECT sample_id FROM held_out)"
    assert catalog.execute(given).fetchall() == [(0,)]
    dropped = "SELECT DISTINCT dropped_by, rank FROM pool WHERE sample_id IN (SELECT sample_id FROM held_out)"
    assert catalog.execute(dropped).fetchall() == [("held_out", None)]
    shown = np.load(run.store.parent / "shown.npy")
    rows = catalog.execute("SELECT sample_id, label, state FROM held_out_states").fetchall()
    assert len(rows) == 2 * len(held)  # each source looked for two of the three
    for sample_id, label, state in rows:
        number = int(held[sample_id].removesuffix(".png"))
        assert label != ("red" if number % 3 == 1 else "blue")
        assert (state == "present") == shown[number, COLOURS.index(label)]


def test_the_worth_is_told_against_random_sets_with_intervals(config: CurationConfig, run: Run) -> None:
    catalog = connect_run(run.store, run.run_id)
    (row,) = catalog.sql("SELECT * FROM worth WHERE baseline = 'random'").to_arrow_table().to_pylist()
    ((n_held,),) = catalog.execute("SELECT count(DISTINCT sample_id) FROM held_out_states").fetchall()
    assert (row["weighting"], row["decides"], row["n_seeds"]) == ("class_weighted", True, 5)
    assert (row["n_evaluated"], row["n_samples"], row["probe"]) == (n_held, 90, "logistic")
    assert 0.9 < row["quality"] <= 1  # the bands are plain to see
    assert row["difference_low"] <= row["quality"] - row["baseline_quality"] <= row["difference_high"]
    sets = {each["set"]: each for each in catalog.sql("SELECT * FROM worth_sets").to_arrow_table().to_pylist()}
    assert sets["curated"]["n_samples"] == 90
    assert 0 < sets["curated"]["n_given"] <= sets["curated"]["n_labelled"] <= 90
    sizes = [size for (size,) in catalog.execute("SELECT n_samples FROM worth_curve ORDER BY 1").fetchall()]
    assert sizes[-1] == N - len(catalog.execute("FROM held_out").fetchall())
    ended = run_here("worth", "--store", config.store)
    assert ended.returncode == 0, ended.stderr
    told = " ".join(ended.stdout.split())
    assert f"on {n_held} held-out samples, training on 90 curated samples gives a balanced accuracy of" in told
    assert not verify(run.store).damage


def worth_of(run: Run, baseline: str) -> dict[str, Any]:
    """The row of `worth`."""
    found = connect_run(run.store, run.run_id).sql("FROM worth").to_arrow_table().to_pylist()
    (row,) = [each for each in found if each["baseline"] == baseline]
    return row


def test_a_night_that_brings_little_keeps_the_judgement(config: CurationConfig, run: Run) -> None:
    rng = np.random.default_rng(7)
    picture(rng, np.array([True, False, True])).save(run.store.parent / "bare" / "new.png")
    night = curate_inline(config, attended=False)
    catalog = connect_run(run.store, night.run_id)
    (kept,) = catalog.sql("FROM worth_kept").to_arrow_table().to_pylist()
    assert 0 < kept["pool_changed"] == kept["changed"] < 0.02
    assert kept["held_out_changed"] == 0
    assert worth_of(night, "random") == worth_of(run, "random")


def test_a_set_is_held_against_the_last_version_with_the_states_that_it_was_published_with(
    config: CurationConfig, run: Run
) -> None:
    del run
    fewer = replace(config, selection=replace(config.selection, target_size=60, policy="random"))
    row = worth_of(curate_inline(fewer), "last")
    assert row["verdict"] in ("better", "unclear", "worse")
    assert row["n_samples"] == 60
    assert 0.85 < row["baseline_quality"] <= 1


def test_the_guard_keeps_back_a_set_that_teaches_nothing_of_a_class(run: Run) -> None:
    """No sample of the set shows red, so its probe says that none does: right of what is absent, half of the states."""
    no_red = [{"name": "red", "keep": "NOT list_contains(present, 'red')"}]
    selection = {"target_size": 90, "guard": "random", "filters": no_red}
    poor = curate_inline(banded_pool(run.store.parent, N, name="poor", selection=selection))
    row = worth_of(poor, "random")
    assert row["verdict"] == "worse"
    assert row["quality"] == pytest.approx(5 / 6, abs=0.02)
    assert row["difference_high"] < -0.1
    export = poor.stage(Stage.EXPORT)
    assert export is not None and export.kept_back is not None
    assert "worse than 90 of random samples of the pool" in export.kept_back


def test_where_too_little_is_known_the_worth_is_unknown_and_says_why(tmp_path: Path) -> None:
    run = curate_inline(banded_pool(tmp_path, 90))
    ended = run_here("worth", "--store", str(run.store))
    assert ended.returncode == 0
    assert "it takes some 300 samples with given states" in " ".join(ended.stdout.split())


def test_tuning_races_recipes_by_what_is_held_out_of_states(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {
        **banded_values(tmp_path, N),
        "selection": {"target_size": 40, "policy": "random"},
        "worth": {"holdout_share": 0.5},
        "executor": {"kind": "inline"},
    }
    path = tmp_path / "windrow.yaml"
    path.write_text(yaml.safe_dump(values))
    run = curate_inline(load_config(path))
    print_tuned(path, SMALL, None, as_json=True)
    told = json.loads(capsys.readouterr().out)
    (held,) = connect_run(run.store).execute("SELECT count(DISTINCT sample_id) FROM held_out_states").fetchall()[0]
    halves = told["chosen_on"]["samples"], told["judged_on"]["samples"]
    assert sum(halves) == held and min(halves) >= 50
    against = told["against"]["random"]
    assert 0.5 < against["other"] <= 1
    assert against["low"] <= against["difference"] <= against["high"]
    assert {each["recipe"] for each in told["race"]} >= {"the config as it is"}


def test_a_held_out_sample_that_is_taken_down_leaves_no_state_behind(config: CurationConfig, run: Run) -> None:
    held = "SELECT sample_id FROM held_out_states ORDER BY sample_id LIMIT 1"
    ((sample_id,),) = connect_run(run.store, run.run_id).execute(held).fetchall()
    ended = run_here("forget", sample_id, "--yes", "--store", config.store)
    assert ended.returncode == 0, ended.stderr
    left = list(run.store.glob("outputs/**/held_out_states.parquet"))
    assert not any(sample_id in pq.read_table(path)["sample_id"].to_pylist() for path in left)
    again = curate_inline(config)
    states = connect_run(run.store, again.run_id).execute("SELECT DISTINCT sample_id FROM held_out_states").fetchall()
    assert states and (sample_id,) not in states
    assert worth_of(again, "random")["verdict"] != "unknown"
    assert not verify(run.store).damage


def test_the_report_tells_the_worth(config: CurationConfig, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    ended = run_here("report", "--store", config.store, "--out", str(page))
    assert ended.returncode == 0, ended.stderr
    assert "held-out samples" in page.read_text() and "class-weighted" in page.read_text()
