"""How far a stage is: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0


class StageProgress:
    """Counts the outputs of a stage as they are done. `say` logs a line; `share` is told the share that is done."""

    def __init__(
        self, stage: str, total: int, bar: Progress | None, say: Callable[[str], None], share: Callable[[float], None]
    ) -> None:
        self.stage, self.total, self.n_done = stage, total, 0
        self._bar, self._say, self._share = bar, say, share
        self._task = bar.add_task(stage, total=total) if bar else None
        self._said = time.monotonic()

    def advance(self, n: int) -> None:
        """Count `n` more outputs as done."""
        self.n_done += n
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, n)
        if self.n_done >= self.total or time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._tell()

    def note(self, text: str) -> None:
        """Say what the stage is at, now and then: beside the bar, or as a log line."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=f"{self.stage}, {text}")
        elif time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            self._say(f"{self.stage}: {text}")

    def _tell(self) -> None:
        self._said = time.monotonic()
        self._share(self.n_done / max(self.total, 1))
        if self._bar is None and self.n_done < self.total:
            self._say(f"{self.stage}: {self.n_done:,} of {self.total:,}")


@contextmanager
def stage_progress(
    stage: str, total: int, say: Callable[[str], None], share: Callable[[float], None]
) -> Iterator[StageProgress]:
    """Show the progress of a stage while the block runs; the bar goes away at its end."""
    if not sys.stderr.isatty():
        yield StageProgress(stage, total, None, say, share)
        return
    columns = (TextColumn("{task.description:>14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        yield StageProgress(stage, total, bar, say, share)
