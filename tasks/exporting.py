"""Prefect tasks of export: plan the shards, write each, publish them as a version."""

from pathlib import Path

from prefect import task

from windrow.tasks.executors import ExecutorConfig, open_executor
from windrow.tasks.retries import COMPUTE_TASK, IO_TASK
from windrow.tasks.stages.export import ExportConfig, ExportShard, plan_export, write_export_shard
from windrow.tasks.stages.selected_rows import selected_rows
from windrow.tasks.storage.outputs import Done


@task(name="plan-export", **COMPUTE_TASK)
def plan(store: Path, stages: dict[str, list[str]], config: ExportConfig) -> list[ExportShard]:
    """Cut the selected samples into shards."""
    rows, classes = selected_rows(store, stages, config.label_set)
    return plan_export(store, rows, config, classes)


@task(name="write-shard", task_run_name="write {shard.split} {shard.number}", tags=["windrow-io"], **IO_TASK)
def write_shard(store: Path, shard: ExportShard, config: ExportConfig, executor: ExecutorConfig) -> list[Done]:
    """Write one shard in a worker, in every format."""
    return [open_executor(executor).run(write_export_shard, store, shard, config)]
