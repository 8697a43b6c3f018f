"""Runs: what a run recorded is read back, and readers see the last finished one only."""

from pathlib import Path

import pytest

from windrow.schemas import SCORES
from windrow.tasks.storage.store.outputs import make_output
from windrow.tasks.storage.store.run_records import StageRecord, latest_run, list_runs, open_run, start_run


def test_a_run_in_progress_or_failed_is_not_what_readers_see(tmp_path: Path) -> None:
    assert latest_run(tmp_path) is None
    first = start_run(tmp_path, "digits", {"seed": 0})
    assert latest_run(tmp_path) is None
    first.finish("finished")
    start_run(tmp_path, "digits", {"seed": 1}).finish("failed", "OSError: disk full")
    start_run(tmp_path, "digits", {"seed": 2})
    seen = latest_run(tmp_path)
    assert seen is not None
    assert seen.run_id == first.run_id
    assert [run.status for run in list_runs(tmp_path)] == ["finished", "failed", "running"]


def test_the_last_run_can_be_asked_for_by_the_name_of_the_set(tmp_path: Path) -> None:
    digits = start_run(tmp_path, "digits", {}).finish("finished")
    start_run(tmp_path, "photos", {}).finish("finished")
    assert latest_run(tmp_path, "digits") == digits


def test_a_stage_is_read_back_with_its_outputs_in_order(tmp_path: Path) -> None:
    run = start_run(tmp_path, "digits", {})
    paths = tuple(
        make_output(
            tmp_path, "score", 1, {"shard": i}, lambda w: w.write(SCORES, SCORES.build({"sample_id": ["a"]}))
        ).path
        for i in range(3)
    )
    record = StageRecord("score", paths, 1, 3, 0.5, {"n_samples": 3})
    run.record(record)
    again = open_run(tmp_path, run.run_id)
    assert again.stage("score") == record
    assert [str(output.path.relative_to(tmp_path)) for output in again.outputs("score")] == list(paths)
    assert again.stage("rank") is None
    assert again.outputs("rank") == []


def test_an_unknown_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run 'tuesday'"):
        open_run(tmp_path, "tuesday")
