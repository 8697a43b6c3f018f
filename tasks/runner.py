"""Who carries a run: the seam between the pipeline and an orchestrator, and the runner that needs none.

A runner changes no result. It says how pieces of work are tried again, and shows people how far a run is.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from windrow.tasks.config import CurationConfig
from windrow.tasks.fetching.credentials import without_secrets
from windrow.tasks.storage.store.run_records import Run, StageRecord

FEATURES_TAG = "windrow-features"
"""`prefect concurrency-limit create windrow-features N` bounds how many groups are embedded at once: one a GPU."""
IO_TAG = "windrow-io"
MOST_THREADS = 32  # they only wait for workers; a few more than there are workers keep every one of these busy
LONGEST_JITTER = 0.5
PERMANENT = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)


@dataclass(frozen=True)
class Work:
    """A kind of work: a plain function. `tries_again`: after I/O errors that may pass. `tag`: for limits on how many
    of its kind go on at once, where the orchestrator has such."""

    name: str
    function: Callable[..., Any]
    tries_again: bool = False
    tag: str | None = None

    @property
    def words(self) -> str:
        """The name as people read it."""
        return self.name.replace("-", " ")


@dataclass(frozen=True)
class Call:
    """A piece of work: what is done, its label, for people, and its arguments."""

    work: Work
    label: str
    args: tuple[Any, ...] = field(repr=False)

    def run(self) -> Any:
        """Do it."""
        return self.work.function(*self.args)


class Runner(Protocol):
    """Carries the steps of a run and their pieces of work."""

    def step(self, name: str, config: CurationConfig, body: Callable[[], None]) -> None:
        """Run a step of the pipeline: call `body`, once."""
        ...

    def map(self, calls: Sequence[Call], finished: Callable[[Any], None]) -> list[Any]:
        """Run calls side by side; return their results in the order of the calls, or raise the first error.

        `finished` is given each result as it comes, in this thread.
        """
        ...

    def say(self, text: str) -> None:
        """Log a line."""
        ...

    def shares(self, stage: str, total: int) -> AbstractContextManager[Callable[[float], None]]:
        """Show how far a stage of `total` outputs is while the block runs: what this yields takes the share done."""
        ...

    def show_stage(self, run: Run, record: StageRecord, line: str) -> None:
        """Show what a stage did."""
        ...

    def show_summary(self, run: Run, report: Path) -> None:
        """Show what a finished run did."""
        ...

    def announce(self, name: str, what: Mapping[str, Any], is_new: bool) -> None:
        """Tell others how a night ended, and whether the version of the curated set `name` is new."""
        ...


def may_pass(error: BaseException) -> bool:
    """Whether work that failed so may succeed if it is done again.

    A missing file or a closed door stays so; other I/O errors (networks, disks, a worker that died) may pass.
    """
    return isinstance(error, OSError) and not isinstance(error, PERMANENT)


class PlainRunner:
    """Threads that wait for the executor's workers; nothing else. `delays`: seconds before each new try."""

    def __init__(self, n_threads: int = MOST_THREADS, delays: Sequence[float] = (2.0, 4.0, 8.0)) -> None:
        self._n_threads, self._delays = n_threads, delays

    def step(self, name: str, config: CurationConfig, body: Callable[[], None]) -> None:  # noqa: ARG002
        """See `Runner.step`."""
        body()

    def map(self, calls: Sequence[Call], finished: Callable[[Any], None]) -> list[Any]:
        """See `Runner.map`."""
        stop = threading.Event()
        pool = ThreadPoolExecutor(max_workers=max(1, min(self._n_threads, len(calls))))
        futures: list[Future[Any]] = [pool.submit(self._tried, call, stop) for call in calls]
        try:
            for future in as_completed(futures):
                finished(future.result())
            return [future.result() for future in futures]
        except Exception:
            stop.set()
            pool.shutdown(cancel_futures=True)  # what has begun comes to its end, or it would outlive the run
            raise
        finally:
            stop.set()
            pool.shutdown(
                wait=False, cancel_futures=True
            )  # an interruption ends the workers, and with them their calls

    def _tried(self, call: Call, stop: threading.Event) -> Any:
        for delay in self._delays if call.work.tries_again else ():
            try:
                return call.run()
            except OSError as error:
                if not may_pass(error) or stop.is_set():
                    raise
                self.say(f"{call.label}: {type(error).__name__}: {error}; trying again in {delay:.0f} s")
                if stop.wait(delay * random.uniform(1, 1 + LONGEST_JITTER)):
                    raise
        return call.run()

    def say(self, text: str) -> None:
        """See `Runner.say`."""
        logging.getLogger("windrow").info(without_secrets(text))

    @contextmanager
    def shares(self, stage: str, total: int) -> Iterator[Callable[[float], None]]:  # noqa: ARG002
        """See `Runner.shares`."""
        yield lambda _: None

    def show_stage(self, run: Run, record: StageRecord, line: str) -> None:
        """See `Runner.show_stage`: the log has the line already."""

    def show_summary(self, run: Run, report: Path) -> None:
        """See `Runner.show_summary`: the command line prints it."""

    def announce(self, name: str, what: Mapping[str, Any], is_new: bool) -> None:
        """See `Runner.announce`: nobody else listens."""
