"""Ingest: find the shards of the sources, verify and measure every sample in them, record where it lies."""

from pathlib import Path

import pyarrow as pa
from prefect import flow
from prefect.utilities.annotations import quote

from windrow.flows.prefect_tasks.ingestion import hash_groups, ingest_group
from windrow.flows.progress import collect
from windrow.flows.stage import THREADS, find_run, groups, recording
from windrow.schemas import SAMPLES
from windrow.tasks.config import CurationConfig
from windrow.tasks.storage.sources.source_kinds import plan_shards
from windrow.tasks.storage.store.outputs import Done, open_output
from windrow.tasks.storage.store.registry import register_samples


@flow(name="ingest", flow_run_name="ingest {config.name}", task_runner=THREADS)
def ingest(config: CurationConfig, run_id: str | None = None) -> str:
    """Read what is new in the sources; returns the run's id. Bytes stay where they are and as they are."""
    run = find_run(config, run_id)
    store = Path(config.store)
    with recording(run, "ingest") as log:
        shards = plan_shards(config.sources, config.ingest)
        futures = [
            ingest_group.with_options(task_run_name=f"ingest {label}").submit(
                store, quote(group), config.ingest, config.executor
            )
            for label, group in groups(config, shards)
        ]
        log.done = collect("ingest", futures, len(shards))
        log.n_samples = sum(done.counts["n_occurrences"] for done in log.done)
        _register(store, log.done)
    with recording(run, "hash_groups") as hashes:
        hashes.done = [hash_groups(store, [done.path for done in log.done], config.hashes)]
        hashes.n_samples = hashes.done[0].counts["n_hashed"]
    return run.run_id


def _register(store: Path, ingested: list[Done]) -> None:
    """Give new samples their index; a shard that was found done may be new to a registry that was cut short."""
    tables = [open_output(store / done.path).read(SAMPLES, ["sample_id"]) for done in ingested]
    register_samples(store, pa.concat_tables(tables)["sample_id"].combine_chunks())
