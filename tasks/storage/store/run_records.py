"""Runs: which outputs make up a run of the pipeline, in `runs/<run_id>/`.

`run.json` is the run's own state; `stages/<stage>.json` names the outputs that the stage made or found. A run's tables
are the tables of its outputs. Readers take the last run whose status is 'finished', so a run in progress is not seen.
Runs over one store may go on at once: nobody waits, and each finds what another has finished.

The order of runs is that of their numbers, with which their ids begin and which are given under a lock: clocks are set
back, run ahead, and differ between machines. A number is never given twice.

A run whose process is gone cannot say so. Whoever opens one that says 'running' is told 'killed' in that case, see
`signs_of_life`; `run.json` stays as it is. `journal/<run_id>.json` is a witness of a run that was started: where its
folder is lost, `windrow verify` misses it.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from windrow.schemas.stages import Stage
from windrow.tasks.storage.files.left_out import leave_out
from windrow.tasks.storage.files.seals import read_sealed, sealed_json
from windrow.tasks.storage.files.signs_of_life import SignsOfLife, is_gone
from windrow.tasks.storage.files.whole_or_absent import write_atomically
from windrow.tasks.storage.store.outputs import Output, fingerprint, open_output
from windrow.tasks.storage.store.store_format import mark_format

RUN = "run.json"
JOURNAL = "journal"
ORDER = "order"
"""The file whose lock is held while a run is given its number."""
_ID = re.compile(r"(\d{8,})-\d{8}-\d{12}-[0-9a-f]{8}")
Status = Literal["running", "finished", "partial", "failed", "killed", "withdrawn"]
KILLED = "its process ended without a word: it was killed, was out of memory, or its machine went down"

_alive: dict[Path, SignsOfLife] = {}  # of the runs that this process started and has not finished


@dataclass(frozen=True)
class StageRecord:
    """What a stage of a run did: its outputs (paths relative to the store), and how long it took.

    `version` is the version that an export published, or found that holds the same; a path relative to the store.
    `choice` is what the stage took where the config left it open, and why.
    `kept_back` says why the guard let an export publish nothing. `note` is what people should know of it besides.
    """

    stage: str
    outputs: tuple[str, ...]
    n_found: int
    n_samples: int
    seconds: float
    counts: Mapping[str, int]
    version: str | None = None
    choice: str | None = None
    kept_back: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Run:
    """A run of the pipeline. `error` says why it failed, `warning` why it has no report. Times are UTC, ISO 8601."""

    store: Path
    run_id: str
    name: str
    status: Status
    started_at: str
    finished_at: str | None
    code_version: str
    config: Mapping[str, Any]
    error: str | None = None
    warning: str | None = None

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.store / "runs" / self.run_id

    @property
    def number(self) -> int:
        """Its place among the runs of the store, from 1."""
        return _number(self.run_id)

    def record(self, record: StageRecord) -> None:
        """Keep what a stage did."""
        folder = self.path / "stages"
        folder.mkdir(exist_ok=True)
        write_atomically(folder / f"{record.stage}.json", sealed_json(asdict(record)))

    def stage(self, stage: str) -> StageRecord | None:
        """Return what a stage of this run did, None when it has not run."""
        path = self.path / "stages" / f"{stage}.json"
        if not path.exists():
            return None
        values = read_sealed(path)
        return StageRecord(**{**values, "outputs": tuple(values["outputs"])})

    def stages(self) -> list[StageRecord]:
        """Return what the stages of this run did, in their order; a copy of a store has other times."""
        return [record for stage in Stage if (record := self.stage(stage))]

    def outputs(self, stage: str) -> list[Output]:
        """Return the outputs of a stage of this run, in order; none when it has not run."""
        record = self.stage(stage)
        return [open_output(self.store / path) for path in record.outputs] if record else []

    def finish(self, status: Status, error: str | None = None) -> Run:
        """Keep how the run ended, and return it as it now is."""
        ended = replace(self, status=status, finished_at=_now(), error=error)
        ended.save()
        if signs := _alive.pop(self.path.resolve(), None):
            signs.end()  # after the save: who finds neither reads how the run ended
        return ended

    def warn(self, warning: str) -> Run:
        """Keep what went wrong though the run is finished, and return it as it now is."""
        warned = replace(self, warning=warning)
        warned.save()
        return warned

    def withdraw(self, why: str) -> None:
        """Say that outputs of this run are no longer there; its report, which shows samples, goes too."""
        replace(self, status="withdrawn", error=why).save()
        for path in self.path.iterdir():
            if path.is_file() and path.name != "run.json":
                path.unlink()

    def save(self) -> None:
        """Write `run.json`."""
        values = {key: value for key, value in asdict(self).items() if key != "store"}
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path / RUN, sealed_json(dict(sorted(values.items()))))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def start_run(store: Path, name: str, config: Mapping[str, Any]) -> Run:
    """Start a run: its id is its number, the time and a fingerprint of the config, so ids sort by number.

    It counts as running until `finish`, or until this process ends.
    """
    mark_format(store)
    started = _now()
    stamp = started[:26].replace("-", "").replace(":", "").replace(".", "").replace("T", "-")
    with _numbering(store) as number:
        run_id = f"{number:08d}-{stamp}-{fingerprint(config)[:8]}"
        run = Run(store, run_id, name, "running", started, None, version("windrow"), config)
        run.path.mkdir(parents=True)
    _alive[run.path.resolve()] = SignsOfLife(run.path)  # before the save: nobody is to see it without
    run.save()
    journal = store / JOURNAL
    journal.mkdir(exist_ok=True)
    write_atomically(journal / f"{run_id}.json", sealed_json({"run_id": run_id}))
    return run


@contextmanager
def _numbering(store: Path) -> Iterator[int]:
    """Yield the number after all that were given; nobody else is given one until its folder is made in the block."""
    with (store / ORDER).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        given = (_number(path.stem) for folder in ("runs", JOURNAL) for path in (store / folder).glob("[0-9]*"))
        yield 1 + max(given, default=0)


def _number(run_id: str) -> int:
    match = _ID.fullmatch(run_id)
    return int(match[1]) if match else 0


def open_run(store: Path, run_id: str) -> Run:
    """Open a run by its id. Raises ValueError when the store has no such run."""
    path = store / "runs" / run_id / RUN
    if not path.exists():
        raise ValueError(f"store {store} has no run {run_id!r}")
    run = Run(store=store, **read_sealed(path))
    if run.status == "running" and is_gone(run.path):
        run = Run(store=store, **read_sealed(path))  # it may have ended well between the two looks
        return replace(run, status="killed", error=KILLED) if run.status == "running" else run
    return run


def end_all(error: str) -> None:
    """Keep of every run of this process that has not ended that it failed, and why: the process is about to end."""
    for path in list(_alive):
        run = open_run(path.parent.parent, path.name)
        if run.status == "running":
            run.finish("failed", error)


def list_runs(store: Path) -> list[Run]:
    """Return the runs of a store, oldest first."""
    return list(runs_backwards(store))[::-1]


def runs_backwards(store: Path) -> Iterator[Run]:
    """Yield the runs of a store, the last one first: who wants one of the last reads no others.

    Copies of runs made by hand, and records that are damaged, are left out, and said to be.
    """
    run_ids = [path.parent.name for path in (store / "runs").glob(f"*/{RUN}")]
    for run_id in sorted(run_ids, key=lambda run_id: (_number(run_id), run_id), reverse=True):
        try:
            run = open_run(store, run_id)
        except (ValueError, TypeError) as error:
            leave_out(store / "runs" / run_id / RUN, f"cannot be read ({error})")
            continue
        if run.run_id == run_id:
            yield run
        else:
            leave_out(run.path.with_name(run_id), f"is a copy of run {run.run_id}")


def last_ingested(store: Path, name: str) -> Run | None:
    """Return the last run of a curated set that got as far as its pool, however it ended; None where there is none."""
    runs = (run for run in runs_backwards(store) if run.name == name)
    return next((run for run in runs if run.stage(Stage.INGEST)), None)


def latest_run(store: Path, name: str | None = None) -> Run | None:
    """Return the last finished run (of the curated set `name`, if given), or None."""
    return next((run for run in runs_backwards(store) if run.status == "finished" and name in (None, run.name)), None)


def latest_runs(store: Path) -> list[Run]:
    """Return the last finished run of each curated set, by its name; all runs of the store are read."""
    last: dict[str, Run] = {}
    for run in runs_backwards(store):
        if run.status == "finished":
            last.setdefault(run.name, run)
    return [last[name] for name in sorted(last)]
