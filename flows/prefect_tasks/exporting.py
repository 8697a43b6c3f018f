"""Prefect tasks of export: plan the shards, write each, publish them as a version."""

from pathlib import Path

from prefect import task

from windrow.flows.prefect_tasks.retries import COMPUTE_TASK, IO_TASK
from windrow.tasks.executors import ExecutorConfig, open_executor
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.export.publication import publish_version
from windrow.tasks.export.selected_rows import selected_rows
from windrow.tasks.export.shard_writing import ExportShard, gone_samples, plan_export, write_export_shard
from windrow.tasks.storage.published.versions import Version
from windrow.tasks.storage.store.outputs import Done, content_fingerprint, open_output
from windrow.tasks.storage.store.run_records import Run


@task(name="plan-export", task_run_name="plan the shards", **COMPUTE_TASK)
def plan(store: Path, stages: dict[str, list[str]], config: ExportConfig) -> list[ExportShard]:
    """Cut the selected samples into shards."""
    rows, classes = selected_rows(store, stages, config.label_set)
    return plan_export(store, rows, config, classes)


@task(name="write-shard", task_run_name="write {shard.split} {shard.number}", tags=["windrow-io"], **IO_TASK)
def write_shard(store: Path, shard: ExportShard, config: ExportConfig, executor: ExecutorConfig) -> list[Done]:
    """Write one shard in a worker, in every format."""
    return [open_executor(executor).run(write_export_shard, store, shard, config)]


@task(name="publish", task_run_name="publish {name}", **IO_TASK)
def publish(
    store: Path,
    name: str,
    shards: list[ExportShard],
    written: list[Done],
    config: ExportConfig,
    stages: dict[str, list[str]],
) -> Version:
    """Make the shards visible as a version, or find the version that already holds them."""
    provenance = {
        stage: content_fingerprint([open_output(store / path) for path in paths]) for stage, paths in stages.items()
    }
    return publish_version(store, name, shards, written, config, provenance)


def gone_in(run: Run) -> dict[str, str]:
    """Return the samples that could not be read when a run exported them, and why."""
    record = run.stage("export")
    done = [Done(path, True, {}) for path in record.outputs] if record else []
    return {row["sample_id"]: row["reason"] for row in gone_samples(run.store, done).to_pylist()}
