"""What the flows of all stages share: the run they belong to, the record they leave, the artifact they draw."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from prefect.artifacts import create_table_artifact
from prefect.task_runners import ThreadPoolTaskRunner

from windrow.flows.log import say
from windrow.tasks.config import CurationConfig
from windrow.tasks.executors import open_executor
from windrow.tasks.storage.files.store_lock import at_work
from windrow.tasks.storage.store.outputs import Done
from windrow.tasks.storage.store.run_records import Run, StageRecord, Status, list_runs, open_run, start_run
from windrow.tasks.takedown.removal import finish_takedowns

GROUPS_PER_WORKER = 4
# Counts of what only a setting asks for: a 0 would tell of it to all who did not.
ONLY_WHEN_ASKED = {"n_label_checks"}
Shard = TypeVar("Shard")

# Threads only wait for workers; a few more than there are workers keep every one of these busy.
THREADS: Any = ThreadPoolTaskRunner(max_workers=32)


@dataclass
class StageLog:
    """Collects what a stage did; `version` is what an export published or found."""

    done: list[Done] = field(default_factory=list)
    n_samples: int = 0
    version: Path | None = None


def find_run(config: CurationConfig, run_id: str | None) -> Run:
    """Open the run `run_id`, or start one, after what is left of a take-down that was cut short.

    Of a run whose process is gone the log says so, when it was the last of this curated set.
    """
    store = Path(config.store)
    if run_id is not None:
        return open_run(store, run_id)
    finish_takedowns(store)
    last = next((run for run in reversed(list_runs(store)) if run.name == config.name), None)
    if last is not None and last.status == "killed":
        logging.getLogger("windrow").info(f"run {last.run_id}: {last.error}. What it finished is not done again.")
    return start_run(store, config.name, asdict(config))


@contextmanager
def ending(run: Run) -> Iterator[None]:
    """Keep how a run ended when the block does: 'failed' and why, or 'partial', unless it has finished in the block."""
    try:
        yield
    except BaseException as error:
        _end(run, "failed", f"{type(error).__name__}: {error}")
        raise
    _end(run, "partial")


def _end(run: Run, status: Status, error: str | None = None) -> None:
    if open_run(run.store, run.run_id).status == "running":
        run.finish(status, error)


def earlier(run: Run, config: CurationConfig, stage: str, flow: Callable[..., Any]) -> list[str]:
    """Return the outputs of an earlier stage of this run, which runs now when it has not yet."""
    if run.stage(stage) is None:
        flow(config, run.run_id)
    record = run.stage(stage)
    return list(record.outputs) if record else []


@contextmanager
def recording(run: Run, stage: str) -> Iterator[StageLog]:
    """Time a stage; when it ends well, keep its record and show its counts in the log and in the UI."""
    started = time.monotonic()
    log = StageLog()
    with at_work(run.store):
        yield log
    counts: dict[str, int] = {}
    for done in log.done:
        for name, count in done.counts.items():
            counts[name] = counts.get(name, 0) + count
    n_found = sum(done.found for done in log.done)
    outputs = tuple(done.path for done in log.done)
    version = str(log.version.relative_to(run.store)) if log.version else None
    record = StageRecord(stage, outputs, n_found, log.n_samples, time.monotonic() - started, counts, version)
    run.record(record)
    say(describe(record))
    create_table_artifact(
        key=f"windrow-{stage.replace('_', '-')}",
        table=[{"count": _words(name), "number": number} for name, number in counts.items()],
        description=f"{run.name}: {describe(record)}",
    )


def describe(record: StageRecord) -> str:
    """Return one line about what a stage did."""
    made = len(record.outputs) - record.n_found
    said = {name: number for name, number in record.counts.items() if number or name not in ONLY_WHEN_ASKED}
    counts = ", ".join(f"{number:,} {_words(name)}" for name, number in said.items())
    return f"{_words(record.stage)}: {counts} ({made} made, {record.n_found} found done, {record.seconds:.1f} s)"


def _words(name: str) -> str:
    return name.removeprefix("n_").replace("_", " ")


def groups(config: CurationConfig, shards: Sequence[Shard]) -> list[tuple[str, list[Shard]]]:
    """Cut shards into groups, one for each Prefect task, labelled by the numbers of their shards."""
    n_workers = open_executor(config.executor).n_workers
    size = max(1, -(-len(shards) // (n_workers * GROUPS_PER_WORKER)))
    starts = range(0, len(shards), size)
    return [(f"{at}-{min(at + size, len(shards)) - 1}", list(shards[at : at + size])) for at in starts]
