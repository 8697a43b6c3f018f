"""The record of a run: how it starts, what each stage did, how it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from windrow.schemas.stages import Stage
from windrow.tasks.config import CurationConfig
from windrow.tasks.ended_by_signal import how_it_ended
from windrow.tasks.fetching.credentials import name_sources, without_secrets, written
from windrow.tasks.runner import Runner
from windrow.tasks.stage_lines import stage_line
from windrow.tasks.storage.files.store_lock import at_work
from windrow.tasks.storage.sources.source_settings import uris_of
from windrow.tasks.storage.store.outputs import Done
from windrow.tasks.storage.store.run_records import Run, StageRecord, Status, open_run, runs_backwards, start_run
from windrow.tasks.storage.store.store_format import mark_format
from windrow.tasks.takedown.removal import finish_takedowns


@dataclass
class StageLog:
    """Collects what a stage did.

    `version` is what an export published or found, `kept_back` why it did neither; `choice` what a stage took, and why;
    `note` what people should know besides.
    """

    done: list[Done] = field(default_factory=list)
    n_samples: int = 0
    version: Path | None = None
    choice: str | None = None
    kept_back: str | None = None
    note: str | None = None


def begin_run(config: CurationConfig) -> Run:
    """Start a run, after what is left of a take-down that was cut short.

    Of a run whose process is gone the log says so, when it was the last of this curated set.
    """
    store = Path(config.store)
    mark_format(store)
    beside = [source for each in config.selection.beside().values() for source in each]
    name_sources([*uris_of(config.sources), *beside])
    finish_takedowns(store)
    last = next((run for run in runs_backwards(store) if run.name == config.name), None)
    if last is not None and last.status == "killed":
        logging.getLogger("windrow").info(f"run {last.run_id}: {last.error}. What it finished is not done again.")
    return start_run(store, config.name, written(asdict(config)))


@contextmanager
def ending(run: Run) -> Iterator[None]:
    """Keep how a run ended when the block does: 'failed' and why, or 'partial', unless it has finished in the block."""
    try:
        yield
    except BaseException as error:
        _end(run, "failed", without_secrets(how_it_ended(error)))
        raise
    _end(run, "partial")


def _end(run: Run, status: Status, error: str | None = None) -> None:
    if open_run(run.store, run.run_id).status == "running":
        run.finish(status, error)


@contextmanager
def recording(run: Run, stage: Stage, runner: Runner) -> Iterator[StageLog]:
    """Time a stage; when it ends well, keep its record and show it."""
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
    seconds = time.monotonic() - started
    record = StageRecord(
        stage, outputs, n_found, log.n_samples, seconds, counts, version, log.choice, log.kept_back, log.note
    )
    run.record(record)
    line = stage_line(record)
    runner.say(line)
    runner.show_stage(run, record, line)
