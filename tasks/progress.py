"""How far a stage is: a bar on a terminal, log lines elsewhere; in samples where these are counted."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from windrow.tasks.tally import Tally, tally

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_FRAMES = 0.5


class StageProgress:
    """Counts the outputs of a stage, of `total`, as they are done, and the samples that its workers tell.

    `n_samples`: how many of these there will be, None where that is not known. `say` logs a line; `share` is told the
    share that is done.
    """

    def __init__(
        self,
        stage: str,
        total: int,
        say: Callable[[str], None],
        share: Callable[[float], None],
        n_samples: int | None,
        counts: Tally,
    ) -> None:
        self.stage, self.total, self.n_samples, self.tally = stage, total, n_samples, counts
        self.n_done = 0
        self._say, self._share, self._note = say, share, ""
        self._told = self._started = time.monotonic()

    def advance(self, n: int) -> None:
        """Count `n` more outputs as done."""
        self.n_done += n
        if self.n_done >= self.total or time.monotonic() - self._told > SECONDS_BETWEEN_LINES:
            self._told = time.monotonic()
            self._share(self.n_done / max(self.total, 1))

    def begin(self, total: int, n_samples: int | None, share: Callable[[float], None]) -> None:
        """Count from now on what the stage turns out to have to do, of which `share` is told."""
        self.total, self.n_samples, self._share, self.n_done = total, n_samples, share, 0
        self._told = self._started = time.monotonic()

    def note(self, text: str) -> None:
        """Say what the stage is at."""
        self._note = text

    def so_far(self) -> tuple[int, int]:
        """What is done and what there is to do: samples where their number is known, outputs elsewhere."""
        if self.n_samples is None:
            return self.n_done, self.total
        return min(self.tally.n_done(), self.n_samples), self.n_samples

    def words(self) -> str:
        """Say how far the stage is."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        n_seen = self.tally.n_done()
        done, total = self.so_far()
        parts = [f"{done:,} of {total:,}"]
        if n_seen and self.n_samples is None:
            parts[0] += " shards"
            parts.append(f"{n_seen:,} samples")
        elif self.n_samples is not None:
            parts[0] += " samples"
        if n_seen:
            parts.append(f"{n_seen / seconds:,.0f} a second")
        return ", ".join([*parts, self._note] if self._note else parts)

    def tell(self) -> None:
        """Log a line that says how far the stage is, and how long it will take where that can be said."""
        done, total = self.so_far()
        left = (time.monotonic() - self._started) * (total - done) / done if done else None
        if done < total:
            self._say(f"{self.stage}: {self.words()}" + (f", about {_duration(left)} left" if left is not None else ""))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def stage_progress(
    stage: str,
    total: int,
    say: Callable[[str], None],
    share: Callable[[float], None],
    n_calls: int = 0,
    n_samples: int | None = None,
) -> Iterator[StageProgress]:
    """Show the progress of a stage while the block runs; the bar goes away at its end.

    `n_calls` calls of workers may count samples, `n_samples` in all, None where that is not known.
    """
    with tally(n_calls) as counts:
        shown = StageProgress(stage, total, say, share, n_samples, counts)
        ended = threading.Event()
        show = _draw if sys.stderr.isatty() else _log
        here = copy_context()  # what is said goes where this thread's lines go: to the log of a flow run, say
        thread = threading.Thread(target=here.run, args=(show, shown, ended), name=f"progress of {stage}", daemon=True)
        thread.start()
        try:
            yield shown
        finally:
            ended.set()
            thread.join()


def _log(shown: StageProgress, ended: threading.Event) -> None:
    while not ended.wait(SECONDS_BETWEEN_LINES):
        shown.tell()


def _draw(shown: StageProgress, ended: threading.Event) -> None:
    columns = (TextColumn("{task.description:>14}"), BarColumn(), TextColumn("{task.fields[words]}"))
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, *times, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(shown.stage, words="")
        while not ended.wait(SECONDS_BETWEEN_FRAMES):
            done, total = shown.so_far()
            bar.update(task, completed=done, total=total, words=shown.words())
