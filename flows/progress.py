"""How far a stage is: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.futures import PrefectFuture, as_completed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from windrow.flows.log import say
from windrow.tasks.storage.store.outputs import Done

SECONDS_BETWEEN_LINES = 10.0


class StageProgress:
    """Counts the outputs of a stage as they are done."""

    def __init__(self, stage: str, total: int, bar: Progress | None) -> None:
        self.stage, self.total, self.n_done = stage, total, 0
        self._bar = bar
        self._task = bar.add_task(stage, total=total) if bar else None
        self._said = time.monotonic()
        # Prefect's artifacts are typed for async code too; here they are called from a flow that is not.
        made: Any = create_progress_artifact(0.0, description=f"{stage}: outputs done") if total > 1 else None
        self._artifact: UUID | None = made

    def advance(self, n: int) -> None:
        """Count `n` more outputs as done."""
        self.n_done += n
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, n)
        if self.n_done == self.total or time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._tell()

    def note(self, text: str) -> None:
        """Say what the stage is at, now and then: beside the bar, or as a log line."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=f"{self.stage}, {text}")
        elif time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            say(f"{self.stage}: {text}")

    def _tell(self) -> None:
        self._said = time.monotonic()
        if self._artifact is not None:
            update_progress_artifact(self._artifact, 100.0 * self.n_done / max(self.total, 1))
        if self._bar is None and self.n_done < self.total:
            say(f"{self.stage}: {self.n_done:,} of {self.total:,}")


@contextmanager
def stage_progress(stage: str, total: int) -> Iterator[StageProgress]:
    """Show the progress of a stage while the block runs; the bar goes away at its end."""
    if not sys.stderr.isatty():
        yield StageProgress(stage, total, None)
        return
    columns = (TextColumn("{task.description:>14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        yield StageProgress(stage, total, bar)


def collect(stage: str, futures: Iterable[PrefectFuture[list[Done]]], total: int) -> list[Done]:
    """Wait for groups of outputs and return them in the order of the groups. Raises the first group's error."""
    waiting = list(futures)
    with stage_progress(stage, total) as progress:
        for future in as_completed(waiting):
            progress.advance(len(future.result()))
    return [done for future in waiting for done in future.result()]
