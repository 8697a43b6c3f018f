"""What a store holds that no run needs which is kept, and taking it away.

A run names the outputs of its stages, and a stage may have used others on its way. So every output is marked when a run
opens it (`open_output`), and what was marked since the oldest run that is kept began is needed; so is what such outputs
refer to by path. What is marked too much is only kept too long. What killed processes had begun goes, too, but what the
next run of a set may go on with.
"""

from __future__ import annotations

import math
import os
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from windrow.schemas import OCCURRENCES
from windrow.schemas.stages import Part
from windrow.tasks.storage.files.store_lock import alone
from windrow.tasks.storage.files.whole_or_absent import is_left
from windrow.tasks.storage.store.outputs import MANIFEST, Output, all_outputs
from windrow.tasks.storage.store.removed_outputs import remove_output
from windrow.tasks.storage.store.run_records import Run, runs_backwards
from windrow.tasks.storage.store.run_rest import can_be_asked

OVER = ("finished", "partial", "failed", "killed")
CUT_SHORT = ("failed", "killed", "running")
ALWAYS = frozenset({str(Part.FITTED_BACKBONE)})
"""Of these the first stays, whatever the pool: a new one would change all embeddings."""
MARGIN = 86_400.0
"""Seconds by which clocks may differ, of the machines that a store is used from."""
WHY = "its outputs were taken away by `windrow gc`: `windrow run` makes a new one"


@dataclass
class Usage:
    """Outputs of a stage and their bytes on disk; and of these what no kept run needs."""

    n_outputs: int = 0
    n_bytes: int = 0
    n_needless: int = 0
    n_bytes_needless: int = 0


@dataclass(frozen=True)
class Garbage:
    """What would go: outputs that no kept run needs, and the runs that need them; `usage`: by stage.

    `begun`: folders of outputs that never came to be, and of work for these, of `n_bytes_begun`.

    A file that a version has too (a hard link) counts no bytes: taking it away frees none.
    """

    outputs: tuple[Path, ...]
    runs: tuple[Run, ...]
    usage: Mapping[str, Usage] = field(default_factory=dict)
    begun: tuple[Path, ...] = ()
    n_bytes_begun: int = 0

    @property
    def n_bytes(self) -> int:
        """The bytes on disk that would be free."""
        return self.n_bytes_begun + sum(usage.n_bytes_needless for usage in self.usage.values())


def find_garbage(store: Path, n_runs: int) -> Garbage:
    """Look for what goes when of each curated set only the last `n_runs` finished runs are kept.

    Runs that have not ended, and what was run after the oldest kept run, are kept too. Raises ValueError for fewer than
    one run; no output goes where there is no finished run.
    Of what was begun all goes that no process holds, but the work that a next run may go on with: where the last run of
    a set was killed, failed or is running, what was touched since a day before its last finished run began.
    """
    if n_runs < 1:
        raise ValueError(f"wants at least 1 run of each curated set to keep, got {n_runs}")
    newest_first = list(runs_backwards(store))
    begun = tuple(sorted(_begun(store / "outputs", _goes_on_since(newest_first))))
    n_bytes = sum(_bytes_alone(file) for folder in begun for file in _files(folder))
    kept, gone = _kept_runs(newest_first, n_runs)
    outputs = list(all_outputs(store))
    if not any(run.status == "finished" for run in kept):
        return Garbage((), (), _usage(outputs, set()), begun, n_bytes)
    oldest = min(_started(run) for run in kept) - MARGIN
    needed = _needed(store, outputs, kept, oldest)
    needless = {output.path for output in outputs} - needed
    paths = {str(path.relative_to(store)) for path in needless}
    runs = [run for run in gone if any(paths & set(record.outputs) for record in run.stages())]
    return Garbage(tuple(sorted(needless)), tuple(runs), _usage(outputs, needless), begun, n_bytes)


def take_away(store: Path, n_runs: int) -> Garbage:
    """Take away what `find_garbage` finds: first the runs, which readers then see as withdrawn, then the outputs.

    Killed in between, the next call does the rest. Raises ValueError while a run is at work.
    """
    with alone(store):
        found = find_garbage(store, n_runs)
        for folder in found.begun:
            with suppress(FileNotFoundError):  # a reader sweeps too
                shutil.rmtree(folder)
        for run in found.runs:
            run.withdraw(WHY)
        for path in found.outputs:
            remove_output(path)
            for folder in (path.parent, path.parent.parent):
                with suppress(OSError):  # of others, which stay
                    folder.rmdir()
    return found


def _kept_runs(runs: Iterable[Run], n_runs: int) -> tuple[list[Run], list[Run]]:
    """The runs that are kept, and those that are not; both newest first."""
    n_finished: dict[str, int] = defaultdict(int)
    kept: list[Run] = []
    gone: list[Run] = []
    for run in runs:
        if run.status == "finished":
            n_finished[run.name] += 1
        is_recent = n_finished[run.name] < n_runs or (run.status == "finished" and n_finished[run.name] == n_runs)
        (kept if run.status not in OVER or is_recent else gone).append(run)
    return [run for run in kept if run.status != "withdrawn" or can_be_asked(run)], [
        run for run in gone if run.status != "withdrawn"
    ]


def _goes_on_since(newest_first: Iterable[Run]) -> float:
    """Since when work may have been begun that the next run of a set goes on with; infinity where none does."""
    well: set[str] = set()
    cut_short: set[str] = set()
    since = math.inf
    for run in newest_first:
        if run.name not in well and run.status == "finished":
            well.add(run.name)
            since = min(since, _started(run) - MARGIN) if run.name in cut_short else since
        elif run.name not in well and run.status in CUT_SHORT:
            cut_short.add(run.name)
    return since if cut_short <= well else -math.inf


def _begun(outputs: Path, since: float) -> Iterator[Path]:
    """Folders of work that was last touched before `since`, and temporary ones that no process holds."""
    for folder, names, _ in os.walk(outputs):
        for path in [Path(folder, name) for name in names if name.startswith((".tmp-", ".work-"))]:
            with suppress(FileNotFoundError):
                if is_left(path) if path.name.startswith(".tmp-") else _changed(path) < since:
                    names.remove(path.name)  # what lies in it goes with it
                    yield path


def _files(folder: Path) -> Iterator[Path]:
    return (Path(within, name) for within, _, names in os.walk(folder) for name in names)


def _needed(store: Path, outputs: Collection[Output], kept: Collection[Run], oldest: float) -> set[Path]:
    by_path = {output.path: output for output in outputs}
    needed = {store / path for run in kept for record in run.stages() for path in record.outputs}
    needed |= {
        path for path, output in by_path.items() if output.stage in ALWAYS or _changed(path / MANIFEST) >= oldest
    }
    left = list(needed)
    while left:
        output = by_path.get(left.pop())
        named = {store / path for path in _named_by(output)} - needed if output else set()
        needed |= named
        left.extend(named)
    return needed


def _started(run: Run) -> float:
    return datetime.fromisoformat(run.started_at).timestamp()


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _named_by(output: Output) -> Iterator[str]:
    """The outputs that one refers to by path: in its inputs, and as the copies that its occurrences lie in."""
    yield from (text for text in _texts(output.inputs) if text.startswith("outputs/"))
    if f"{OCCURRENCES.name}.parquet" in output.files:
        copies = pc.unique(output.read(OCCURRENCES, ["copy"])["copy"]).to_pylist()
        yield from (copy.rpartition("/")[0] for copy in copies if copy is not None)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _usage(outputs: Iterable[Output], needless: Collection[Path]) -> dict[str, Usage]:
    found: dict[str, Usage] = defaultdict(Usage)
    for output in outputs:
        usage, n_bytes = found[output.stage], sum(_bytes_alone(file) for file in output.path.iterdir())
        usage.n_outputs += 1
        usage.n_bytes += n_bytes
        if output.path in needless:
            usage.n_needless += 1
            usage.n_bytes_needless += n_bytes
    return dict(found)


def _bytes_alone(file: Path) -> int:
    """The bytes that go with a file; one that is gone has none."""
    try:
        status = file.lstat()
    except FileNotFoundError:
        return 0
    return 0 if status.st_nlink > 1 else status.st_size
