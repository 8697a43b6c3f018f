"""The process of a sandbox, from this side: started, spoken to, ended, and what it died of."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Sequence
from multiprocessing.connection import Connection, Pipe

from windrow.tasks.pictures.messages import receive, send
from windrow.tasks.pictures.sandbox_worker import EXIT_NO_MEMORY

NO_MEMORY = "not enough memory to decode it"
SECONDS_TO_END = 10

_MAIN = """\
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = sys.argv[3:]
from windrow.tasks.pictures.sandbox_worker import serve
serve(int(sys.argv[1]), int(sys.argv[2]))
"""


class Process:
    """A sandbox's process, which `send` and `receive` talk to. Raises RuntimeError when it does not start."""

    def __init__(self, task: bytes) -> None:
        self._connection, theirs = Pipe()
        their_line, our_line = os.pipe()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _MAIN, str(theirs.fileno()), str(their_line), *sys.path],
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno(), their_line],
                )
        except BaseException:
            os.close(our_line)
            raise
        finally:
            os.close(their_line)
        self.end = weakref.finalize(self, _end, self._process, self._connection, our_line)
        with contextlib.suppress(OSError):
            self._connection.send_bytes(task)
        ready = self.receive()
        if isinstance(ready, int):
            raise RuntimeError(f"the sandbox's process did not start: exit code {ready}")

    def send(self, more: bytes, images: Sequence[bytes]) -> None:
        """Give it images, and what its function is called with beside each."""
        with contextlib.suppress(OSError):  # it has died: whoever waits for the answer will see
            send(self._connection, more, images)

    def receive(self) -> tuple[bytes, list[memoryview]] | int:
        """Wait for an answer; when the process has ended, return its exit code (minus the signal) instead."""
        try:
            return receive(self._connection)
        except (EOFError, OSError):
            pass
        try:
            code = self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self.end()
        return code


def _end(process: subprocess.Popen[bytes], connection: Connection, line: int) -> None:
    process.kill()
    process.wait()
    connection.close()
    os.close(line)


def _environment() -> dict[str, str]:
    # The allocator's settings of a worker (see executors/environment.py) would keep the memory of the largest image.
    # A heap of its own for each thread of a decoder would count against the limit though nothing is in it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    return {**environment, "MALLOC_ARENA_MAX": "1"}


def death(code: int, seconds: float) -> str:
    """Say in words what a process died of while it looked at an image."""
    if code == EXIT_NO_MEMORY:
        return NO_MEMORY
    if code == -signal.SIGALRM:
        return f"decoder took longer than {seconds:g} s"
    names = {int(known): known.name for known in signal.Signals}
    return f"decoder crashed ({names.get(-code, f'signal {-code}') if code < 0 else f'exit code {code}'})"
