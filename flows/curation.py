"""The whole pipeline, in the order in which it runs."""

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from windrow.flows.cluster import cluster
from windrow.flows.export import export
from windrow.flows.extract_features import extract_features
from windrow.flows.ingest import ingest
from windrow.flows.log import say
from windrow.flows.prefect_tasks import reporting
from windrow.flows.prefect_tasks.exporting import gone_in
from windrow.flows.pseudo_label import pseudo_label
from windrow.flows.rank import rank
from windrow.flows.score import score
from windrow.flows.stage import earlier, ending, find_run, recording
from windrow.flows.summary import summarise
from windrow.tasks.config import CurationConfig
from windrow.tasks.selection.pool_ranking import check_filters
from windrow.tasks.storage.files.store_lock import at_work
from windrow.tasks.storage.published.versions import latest_version
from windrow.tasks.storage.store.run_records import Run

ACCOUNTED = ("ingest", "features", "rank")


def note_failure(flow: Any, flow_run: Any, state: Any) -> None:  # noqa: ARG001  (Prefect's signature)
    """Say in the log what failed, and that the same command goes on from there."""
    get_run_logger().error(
        "%s failed: %s. What was finished is kept: run it again to go on.", flow_run.name, state.message
    )


@flow(name="curate", flow_run_name="curate {config.name}", on_failure=[note_failure], on_crashed=[note_failure])
def curate(config: CurationConfig) -> str:
    """Turn the sources into a version of a curated set, and account for every occurrence; returns the run's id."""
    check_filters(config.selection.filters)
    run = find_run(config, None)
    with ending(run), at_work(run.store):
        ingest(config, run.run_id)
        if config.scores:
            score(config, run.run_id)
        extract_features(config, run.run_id)
        cluster(config, run.run_id)
        pseudo_label(config, run.run_id)
        rank(config, run.run_id)
        export(config, run.run_id)
        conclude(config, run)
    return run.run_id


def conclude(config: CurationConfig, run: Run) -> None:
    """Give every occurrence its outcome, make the run the one that readers see, and draw its report.

    A report that fails takes nothing back, as its data are published: the run is finished, with a warning.
    """
    stages = {stage: earlier(run, config, stage, export) for stage in ACCOUNTED}
    with recording(run, "account") as log:
        log.done = [reporting.account_for(run.store, stages, gone_in(run))]
        log.n_samples = log.done[0].counts["n_occurrences"]
    finished = run.finish("finished")
    try:
        show(finished, reporting.report(finished))
    except Exception as error:
        what = f"the report failed: {type(error).__name__}: {error}"
        say(f"{finished.warn(what).warning}. The run is finished; `windrow report` draws it again")


def show(run: Run, page: Path) -> None:
    """Put the run's summary into Prefect's UI; a browser opens no file from there, so the report's path is text."""
    version = latest_version(run.store, run.name)
    what = f"{run.name} {version.version}, {version.n_samples:,} samples" if version else run.name
    text = f"# {what}\n\n{summarise(run)}\n\nReport: `{page.resolve()}`"
    create_markdown_artifact(key="windrow-summary", markdown=text, description=f"{what}; report: {page.resolve()}")
