"""What is left of a run that a take-down withdrew: its tables without the samples, in `runs/<run_id>/rest/`.

It is for questions only, until the next run of the curated set is finished: nothing is curated from it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from windrow.tasks.storage.store.run_records import RUN, Run, latest_run, open_run, runs_backwards

REST = "rest"


def rest_folder(run: Run) -> Path:
    """Return where the rest of a run lies, if there is one."""
    return run.path / REST


def can_be_asked(run: Run) -> bool:
    """Say whether a run has tables: it is finished, or has a rest."""
    return run.status == "finished" or (run.status == "withdrawn" and rest_folder(run).is_dir())


def last_to_ask(store: Path) -> Run | None:
    """Return the last run that can be asked; None where there is none."""
    return next((run for run in runs_backwards(store) if can_be_asked(run)), None)


def whole_run(store: Path, run_id: str | None = None) -> Run:
    """Return a run with all that it made: the last finished one, or run `run_id`.

    Raises ValueError, with what can be done instead, when there is none or a take-down withdrew it.
    """
    run = open_run(store, run_id) if run_id else latest_run(store)
    if run is not None and run.status != "withdrawn":
        return run
    left = run or last_to_ask(store)
    if left is None:
        raise ValueError(f"store {store} has no finished run: `windrow run` makes one")
    raise ValueError(f"run {left.run_id}: {left.error}{rest_told(left)}")


def rest_told(run: Run) -> str:
    """Say how a withdrawn run can still be asked, to go on after why it was; nothing where it cannot."""
    if not can_be_asked(run):
        return ""
    return ". Until then `windrow query`, `explain`, `serve` and `explore` show what is left of it"


def rest_files(run: Run) -> list[Path]:
    """Return the files of the rest of a run, a table each."""
    return sorted(rest_folder(run).glob("[a-z]*.parquet"))


def runs_with_rest(store: Path) -> Iterator[Run]:
    """Yield the runs that have a rest, oldest first."""
    for folder in sorted((store / "runs").glob(f"[0-9]*/{REST}")):
        if (folder.parent / RUN).exists():
            yield open_run(store, folder.parent.name)


def drop_rests(store: Path, name: str) -> None:
    """Remove the rests of runs of a curated set: a new run of it is finished."""
    for run in list(runs_with_rest(store)):
        if run.name == name:
            shutil.rmtree(rest_folder(run), ignore_errors=True)
