"""Prefect tasks that end a run: the outcome of every occurrence, and the report."""

from pathlib import Path

from prefect import task

from windrow.flows.prefect_tasks.retries import COMPUTE_TASK
from windrow.tasks.export.outcomes import account
from windrow.tasks.report import write_report
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.store.outputs import Done
from windrow.tasks.storage.store.run_records import Run


@task(name="account", task_run_name="account for every occurrence", **COMPUTE_TASK)
def account_for(store: Path, stages: dict[str, list[str]], gone: dict[str, str]) -> Done:
    """Give every occurrence its outcome; fails when the counts do not add up."""
    return account(store, stages, gone)


@task(name="report", task_run_name="draw the report", **COMPUTE_TASK)
def report(run: Run) -> Path:
    """Draw the report of a finished run and return its path."""
    path = run.path / "report.html"
    write_report(open_catalog(run.store, run.run_id), path, run)
    return path
