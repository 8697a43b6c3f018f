"""What is left of a run that a take-down withdrew: its tables without the samples, in `runs/<run_id>/rest/`.

It is for questions only, until the next run of the curated set is finished: nothing is curated from it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from windrow.tasks.storage.store.run_records import RUN, Run, open_run, runs_backwards

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
