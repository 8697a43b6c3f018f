"""The scheduled flow: the same pipeline, which finds most of its work done, and events that say how the night ended."""

import os
import signal
import threading
from dataclasses import asdict
from difflib import get_close_matches
from zoneinfo import available_timezones

import prefect
from prefect import flow
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Schedule
from prefect.settings import PREFECT_API_URL
from prefect.types.entrypoint import EntrypointType

from windrow.flows.curation import note_failure
from windrow.flows.prefect_runner import PrefectRunner
from windrow.tasks.config import CurationConfig
from windrow.tasks.fetching.credentials import name_sources, tell_children, written
from windrow.tasks.pipeline import curate_tonight
from windrow.tasks.storage.sources.source_settings import uris_of

SERVED_BY = "WINDROW_SERVED_BY"
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_END = 2.0


@flow(name="nightly", flow_run_name="nightly {config.name}", on_failure=[note_failure])
def nightly(config: CurationConfig) -> str:
    """Curate what the sources hold tonight. Returns the version that holds it, new or as it was.

    Emits the event `windrow.nightly.finished`, and before it `windrow.version.published` when the version is new, or
    `windrow.version.kept-back` when the guard or a gate let none be published, for automations and training jobs.
    """
    end_with_server()
    version = curate_tonight(config, PrefectRunner()).version
    return version.version if version else ""


def end_with_server() -> None:
    """In a flow's process that `serve` started: end it when the process of `serve` is gone."""
    if os.environ.get(SERVED_BY) == str(os.getppid()):
        threading.Thread(target=_wait_for_server, args=(os.getppid(),), name="end with server", daemon=True).start()


def _wait_for_server(server: int) -> None:
    ended = threading.Event()
    while os.getppid() == server:
        ended.wait(SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGTERM)
    ended.wait(SECONDS_TO_END)
    os._exit(128 + signal.SIGTERM)


def schedule_of(cron: str, timezone: str) -> Schedule:
    """Return a schedule. Raises ValueError, naming the option, for one that is none."""
    zones = available_timezones()
    if timezone not in zones:
        near = get_close_matches(timezone.lower(), {zone.lower(): zone for zone in zones}, 1)
        meant = next((zone for zone in zones if near and zone.lower() == near[0]), "Europe/Berlin")
        raise ValueError(f"--timezone: there is no time zone {timezone!r}; wants a name as {meant} or UTC")
    try:
        return Cron(cron, timezone=timezone)
    except ValueError:
        raise ValueError(
            f"--cron: {cron!r} is no schedule; wants minute, hour, day of the month, month and day of the week, as in "
            "'0 2 * * *' for every night at two"
        ) from None


def serve(config: CurationConfig, cron: str, timezone: str = "UTC") -> None:
    """Run the flow on a schedule, in processes of this machine, until interrupted; the next run waits for the last.

    Needs a Prefect server, but no work pool and no worker; deploy/ has those. Raises ValueError when there is no
    server (the one that a single run starts for itself has no scheduler), and for a schedule that is none.
    """
    schedule = schedule_of(cron, timezone)
    if not PREFECT_API_URL.value():
        raise ValueError(
            "a schedule needs a Prefect server: run `prefect server start` in another terminal, and here "
            "`export PREFECT_API_URL=http://127.0.0.1:4200/api`"
        )
    name_sources(
        [*uris_of(config.sources), *(source for each in config.selection.beside().values() for source in each)]
    )
    tell_children()
    # Not nightly.serve: that pickles the flows by value, and what only their annotations name is lost on the way.
    deployment = RunnerDeployment.from_flow(
        nightly,
        name=config.name,
        parameters={"config": written(asdict(config))},  # Prefect keeps them
        schedule=schedule,
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    os.environ[SERVED_BY] = str(os.getpid())
    prefect.serve(deployment, limit=1)
