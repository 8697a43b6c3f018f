"""The pipeline in a process of its own that is disturbed between two of its operations on files.

Python tells an audit hook of every file that it opens, renames, links or removes, before it does so: counted from the
start, the n-th such event in a store is the same in every run, so a number names a point in the pipeline.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, Pipe
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Literal

from inline_run import curate_inline

from windrow.tasks.config import CurationConfig

Kind = Literal["none", "kill", "pause", "full disk", "read-only", "I/O error"]

# Children are forked from a server that has imported what takes seconds, and has no threads. PyArrow imports
# pandas where that is installed.
_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "torch",
        "pandas",
        "pyarrow.dataset",
        "scipy.optimize",
        "scipy.sparse.csgraph",
        "windrow.tasks.pipeline",
        "windrow.tasks.backbones.patches",
        "windrow.tasks.report.page",
    ]
)
_CREATING = frozenset({"os.mkdir", "os.link"})
_CHANGING = _CREATING | {"os.rename", "os.remove", "os.rmdir", "os.chmod"}
_EVENTS = _CHANGING | {"open", "os.listdir", "os.scandir", "fcntl.flock"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Fault:
    """What happens at event number `at` (from 1): the process is killed, or stops until it is told to go on.

    Or operations fail: from there on all that need room ('full disk') or change anything ('read-only'), or the one.
    """

    kind: Kind
    at: int = 0


@dataclass(frozen=True)
class Ended:
    """How a run ended: `code` as a process's (-9 when it was killed), its events, and the error that ended it."""

    code: int | None
    events: tuple[str, ...]
    error: BaseException | None


class Disturbed:
    """A run of the plain pipeline with a fault, started at once."""

    def __init__(
        self, config: CurationConfig, fault: Fault, prepare: Callable[[], None] | None = None, attended: bool = True
    ) -> None:
        self._ours, theirs = Pipe()
        args = (config, fault, theirs, prepare, attended)
        self._process: ForkServerProcess = _FORKS.Process(target=_run, args=args)
        self._process.start()
        theirs.close()

    def wait_until_paused(self) -> None:
        """Wait for a run with the fault 'pause' to come to its event."""
        assert self._ours.recv() == "paused"

    def go_on(self) -> None:
        """Let a paused run go on."""
        self._ours.send("go on")

    def running(self) -> bool:
        """Say whether the process is there."""
        return self._process.is_alive()

    def end(self) -> Ended:
        """Wait for the run's end."""
        try:
            events, error = self._ours.recv()
        except EOFError:  # it was killed
            events, error = (), None
        self._process.join()
        code = self._process.exitcode
        self._process.close()
        self._ours.close()
        return Ended(code, events, error)


def curate_disturbed(
    config: CurationConfig, fault: Fault, prepare: Callable[[], None] | None = None, attended: bool = True
) -> Ended:
    """Run the plain pipeline with a fault in a process of its own, which calls `prepare` first."""
    return Disturbed(config, fault, prepare, attended).end()


def _run(
    config: CurationConfig, fault: Fault, channel: Connection, prepare: Callable[[], None] | None, attended: bool
) -> None:
    events: list[str] = []
    if prepare is not None:
        prepare()
    _watch(Path(config.store), events, _act(fault, channel))
    error: BaseException | None = None
    try:
        curate_inline(config, attended)
    except Exception as caught:
        error = caught
    channel.send((tuple(events), error))
    sys.exit(0 if error is None else 1)


def _watch(store: Path, events: list[str], act: Callable[[int, str, tuple[Any, ...]], None]) -> None:
    prefix = str(store)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in _EVENTS:
            place = os.fspath(args[0]) if not isinstance(args[0], int) else prefix
            # a folder that is removed names its files relative to itself
            relative = event in ("os.remove", "os.rmdir") and args[1] != -1
            if relative or place.startswith(prefix):
                events.append(f"{event} {place.removeprefix(prefix)}")
                act(len(events), event, args)

    sys.addaudithook(hook)


def _act(fault: Fault, channel: Connection) -> Callable[[int, str, tuple[Any, ...]], None]:
    def act(number: int, event: str, args: tuple[Any, ...]) -> None:
        if fault.kind == "none" or number < fault.at:
            return
        writes = event == "open" and bool(args[2] & _WRITING)
        if fault.kind == "full disk" and (writes or event in _CREATING):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(args[0]))
        if fault.kind == "read-only" and (writes or event in _CHANGING):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(args[0]))
        if number > fault.at:
            return
        if fault.kind == "I/O error":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(args[0]))
        if fault.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.kind == "pause":
            channel.send("paused")
            channel.recv()

    return act
