"""The scheduled flow: the same pipeline, which finds most of its work done, and events that say how the night ended."""

from dataclasses import asdict

import prefect
from prefect import flow
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL
from prefect.types.entrypoint import EntrypointType

from windrow.flows.curation import note_failure
from windrow.flows.prefect_runner import PrefectRunner
from windrow.tasks.config import CurationConfig
from windrow.tasks.fetching.credentials import name_sources, tell_children, written
from windrow.tasks.pipeline import curate_tonight


@flow(name="nightly", flow_run_name="nightly {config.name}", on_failure=[note_failure])
def nightly(config: CurationConfig) -> str:
    """Curate what the sources hold tonight. Returns the version that holds it, new or as it was.

    Emits the event `windrow.nightly.finished`, and before it `windrow.version.published` when the version is new, or
    `windrow.version.kept-back` when the guard let none be published, for automations and training jobs.
    """
    version = curate_tonight(config, PrefectRunner()).version
    return version.version if version else ""


def serve(config: CurationConfig, cron: str, timezone: str = "UTC") -> None:
    """Run the flow on a schedule, in processes of this machine, until interrupted; the next run waits for the last.

    Needs a Prefect server, but no work pool and no worker; deploy/ has those. Raises ValueError when there is no
    server (the one that a single run starts for itself has no scheduler), and for a schedule that is none.
    """
    if not PREFECT_API_URL.value():
        raise ValueError(
            "a schedule needs a Prefect server: run `prefect server start` in another terminal, and here "
            "`export PREFECT_API_URL=http://127.0.0.1:4200/api`"
        )
    name_sources([*config.sources, *(source for each in config.selection.beside().values() for source in each)])
    tell_children()
    # Not nightly.serve: that pickles the flows by value, and what only their annotations name is lost on the way.
    deployment = RunnerDeployment.from_flow(
        nightly,
        name=config.name,
        parameters={"config": written(asdict(config))},  # Prefect keeps them
        schedule=Cron(cron, timezone=timezone),
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    prefect.serve(deployment, limit=1)
