"""The scheduled flow: the same pipeline, which finds most of its work done, and events that say how the night ended."""

from dataclasses import asdict
from pathlib import Path

import prefect
from prefect import flow, get_run_logger
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.events import emit_event
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL
from prefect.types.entrypoint import EntrypointType

from windrow.flows.curation import curate, note_failure
from windrow.tasks.config import CurationConfig
from windrow.tasks.storage.published.versions import latest_version
from windrow.tasks.storage.store.run_records import latest_run

PUBLISHED = "windrow.version.published"
FINISHED = "windrow.nightly.finished"


@flow(name="nightly", flow_run_name="nightly {config.name}", on_failure=[note_failure])
def nightly(config: CurationConfig) -> str:
    """Curate what the sources hold tonight. Returns the version that holds it, new or as it was.

    Emits the event `windrow.nightly.finished`, and before it `windrow.version.published` when the version is new, for
    automations and training jobs.
    """
    store = Path(config.store)
    before = latest_version(store, config.name)
    curate(config)
    after = latest_version(store, config.name)
    run = latest_run(store, config.name)
    if after is None or run is None:
        raise RuntimeError(f"the run of {config.name} ended well but published nothing")
    is_new = before is None or before.version != after.version
    what = {"run_id": run.run_id, "version": after.version, "n_samples": after.n_samples, "path": str(after.path)}
    if is_new:
        get_run_logger().info("published: %s %s, %s samples", config.name, after.version, f"{after.n_samples:,}")
        emit_event(event=PUBLISHED, resource=resource_of(config.name), payload=what)
    else:
        get_run_logger().info("nothing changed: %s %s stays", config.name, after.version)
    emit_event(event=FINISHED, resource=resource_of(config.name), payload={**what, "is_new": is_new})
    return after.version


def resource_of(name: str) -> dict[str, str]:
    """Return the Prefect resource of a curated set: what its events are about, and what automations match."""
    return {"prefect.resource.id": f"windrow.curated-set.{name}"}


def serve(config: CurationConfig, cron: str, timezone: str = "UTC") -> None:
    """Run the flow on a schedule, in processes of this machine, until interrupted; the next run waits for the last.

    Needs a Prefect server, but no work pool and no worker; deploy/ has those. Raises ValueError when there is no
    server (the one that Prefect starts for a single run starts no scheduler), and for a schedule that is none.
    """
    if not PREFECT_API_URL.value():
        raise ValueError(
            "a schedule needs a Prefect server: run `prefect server start` in another terminal, and here "
            "`export PREFECT_API_URL=http://127.0.0.1:4200/api`"
        )
    # Not nightly.serve: that pickles the flows by value, and what only their annotations name is lost on the way.
    deployment = RunnerDeployment.from_flow(
        nightly,
        name=config.name,
        parameters={"config": asdict(config)},
        schedule=Cron(cron, timezone=timezone),
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    prefect.serve(deployment, limit=1)
