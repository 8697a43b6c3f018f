"""The report in a run's folder: drawn, or taken over from the last run where nothing differs."""

from __future__ import annotations

import shutil
from pathlib import Path

from windrow.tasks.report.run_versions import run_before
from windrow.tasks.storage.store.outputs import fingerprint
from windrow.tasks.storage.store.run_records import Run

PAGE = "report.html"


def report_of(run: Run) -> Path:
    """Make the report of a finished run in its folder and return its path.

    Where an earlier run has the same config and came to the same outputs, its page says all that there is to say, and
    which run it was drawn for.
    """
    path = run.path / PAGE
    same = _same_before(run)
    if same is not None:
        shutil.copyfile(same.path / PAGE, path)
        return path
    from windrow.tasks.report.page import write_report
    from windrow.tasks.storage.catalog.views import connect_run

    write_report(connect_run(run.store, run.run_id), path, run)
    return path


def _same_before(run: Run) -> Run | None:
    """The last finished run of the same curated set, if it has a report, the same config and the same outputs."""
    last = run_before(run)
    return last if last and (last.path / PAGE).is_file() and _shown(last) == _shown(run) else None


def _shown(run: Run) -> str:
    outputs = {record.stage: record.outputs for record in run.stages()}
    return fingerprint(run.code_version, run.config, outputs)
