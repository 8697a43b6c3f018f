"""How a run ended is kept, whichever way it left."""

from pathlib import Path

import pytest

from windrow.tasks.recording import ending
from windrow.tasks.storage.store.run_records import open_run, start_run


def test_a_run_that_leaves_by_an_error_or_an_interruption_has_failed_and_says_why(tmp_path: Path) -> None:
    run = start_run(tmp_path, "small", {})
    with pytest.raises(KeyboardInterrupt), ending(run):
        raise KeyboardInterrupt
    ended = open_run(tmp_path, run.run_id)
    assert (ended.status, ended.error) == ("failed", "ended by SIGINT")


def test_a_run_that_stops_before_its_last_stage_is_partial(tmp_path: Path) -> None:
    run = start_run(tmp_path, "small", {})
    with ending(run):
        pass
    assert open_run(tmp_path, run.run_id).status == "partial"


def test_a_run_that_has_finished_stays_so_whatever_comes_after(tmp_path: Path) -> None:
    run = start_run(tmp_path, "small", {})
    with pytest.raises(KeyboardInterrupt), ending(run):
        run.finish("finished")
        raise KeyboardInterrupt
    assert open_run(tmp_path, run.run_id).status == "finished"
