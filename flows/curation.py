"""The whole pipeline as a flow; its steps are subflows, and their pieces of work tasks (`prefect_runner`)."""

from typing import Any

from prefect import flow, get_run_logger

from windrow.flows.prefect_runner import PrefectRunner
from windrow.tasks import pipeline
from windrow.tasks.config import CurationConfig


def note_failure(flow: Any, flow_run: Any, state: Any) -> None:  # noqa: ARG001  (Prefect's signature)
    """Say in the log what failed, and that the same command goes on from there."""
    get_run_logger().error(
        "%s failed: %s. What was finished is kept: run it again to go on.", flow_run.name, state.message
    )


@flow(name="curate", flow_run_name="curate {config.name}", on_failure=[note_failure], on_crashed=[note_failure])
def curate(config: CurationConfig) -> str:
    """Turn the sources into a version of a curated set, and account for every occurrence; returns the run's id."""
    return pipeline.curate(config, PrefectRunner()).run.run_id
