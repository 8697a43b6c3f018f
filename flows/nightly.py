"""The scheduled flow: the same pipeline, which finds most of its work done, and an event when a version is new."""

from pathlib import Path

from prefect import flow, get_run_logger
from prefect.events import emit_event

from windrow.flows.config import CurationConfig
from windrow.flows.curation import curate, note_failure
from windrow.tasks.storage.runs import latest_run
from windrow.tasks.storage.versions import latest_version

PUBLISHED = "windrow.version.published"


@flow(name="nightly", flow_run_name="nightly {config.name}", on_failure=[note_failure])
def nightly(config: CurationConfig) -> str:
    """Curate what the sources hold tonight. Returns the version that holds it, new or as it was.

    Emits the event `windrow.version.published`, for automations and training jobs, when the version is new.
    """
    store = Path(config.store)
    before = latest_version(store, config.name)
    curate(config)
    after = latest_version(store, config.name)
    run = latest_run(store, config.name)
    if after is None or run is None:
        raise RuntimeError(f"the run of {config.name} ended well but published nothing")
    if before is not None and before.version == after.version:
        get_run_logger().info("nothing changed: %s %s stays", config.name, after.version)
        return after.version
    emit_event(
        event=PUBLISHED,
        resource={"prefect.resource.id": f"windrow.curated-set.{config.name}", "windrow.version": after.version},
        payload={"run_id": run.run_id, "n_samples": after.n_samples, "path": str(after.path)},
    )
    return after.version
