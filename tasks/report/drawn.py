"""The report in a run's folder: drawn, or taken over from the last run where nothing differs."""

from __future__ import annotations

import re
from pathlib import Path

from windrow.tasks.report.run_versions import run_before
from windrow.tasks.storage.files.whole_or_absent import write_atomically
from windrow.tasks.storage.store.outputs import fingerprint
from windrow.tasks.storage.store.run_records import Run

PAGE = "report.html"
_NOTE = re.compile(r'(<p class="meta" id="same">)[^<]*(</p>)')


def report_of(run: Run) -> Path:
    """Make the report of a finished run in its folder and return its path.

    Where an earlier run has the same config and came to the same outputs, its page says all that there is to say, and
    which run it was drawn for. Its SQL asks this run: the earlier one may be taken away before this.
    """
    path = run.path / PAGE
    same = _same_before(run)
    if same is not None:
        page = (same.path / PAGE).read_text(encoding="utf-8").replace(f"--run {same.run_id}", f"--run {run.run_id}")
        note = f"Run {run.run_id} found nothing new: this is the report of the run below, which came to the same."
        write_atomically(path, _NOTE.sub(rf"\g<1>{note}\g<2>", page, count=1))
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
