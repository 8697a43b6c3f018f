"""Export: the selected samples as a new version of the curated set, or the version that already holds them."""

from pathlib import Path

from prefect import flow

from windrow.flows.log import say
from windrow.flows.prefect_tasks import exporting
from windrow.flows.progress import collect
from windrow.flows.rank import rank
from windrow.flows.stage import THREADS, earlier, find_run, recording
from windrow.tasks.config import CurationConfig

STAGES = ("ingest", "features", "cluster", "pseudo_label", "rank")


@flow(name="export", flow_run_name="export {config.name}", task_runner=THREADS)
def export(config: CurationConfig, run_id: str | None = None) -> str:
    """Write the selected samples; returns the run's id. A version, once published, never changes."""
    run = find_run(config, run_id)
    store = Path(config.store)
    stages = {stage: earlier(run, config, stage, rank) for stage in STAGES}
    with recording(run, "export") as log:
        shards = exporting.plan(store, stages, config.export)
        futures = [exporting.write_shard.submit(store, shard, config.export, config.executor) for shard in shards]
        log.done = collect("export", futures, len(shards))
        log.n_samples = sum(done.counts["n_samples"] for done in log.done)
        version = exporting.publish(store, config.name, shards, log.done, config.export, stages)
        log.version = version.path
        say(f"{version.name} {version.version}: {'new' if version.created else 'unchanged'}")
    return run.run_id
