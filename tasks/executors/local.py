"""A pool of processes on this machine.

Not `ProcessPoolExecutor`: there one killed worker fails the calls of all, each worker imports the main script again
(for `windrow`, Prefect: 3 s), and the environment of workers can only be set by changing our own.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import weakref
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

from windrow.tasks.executors.calls import Call
from windrow.tasks.executors.environment import core_count, gpu_environment, worker_environment
from windrow.tasks.executors.executor import WorkerDiedError
from windrow.tasks.executors.shared_file import SharedFile, write_shared
from windrow.tasks.executors.worker_pool import PooledExecutor

# ctrl-C reaches the whole foreground group of processes; the parent alone decides what it means
_MAIN = """\
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = sys.argv[3:]
from windrow.tasks.executors.local_worker import serve
serve(int(sys.argv[1]), int(sys.argv[2]))
"""


class LocalExecutor(PooledExecutor):
    """Worker processes on this machine, each with `cores // n_workers` threads (at least 1) for its arithmetic.

    `n_workers`: 0 for one a core. Where there are several GPUs, each worker sees one, in turn. Workers end with this
    process, however it ends. Broadcast values lie in temporary files until then (a SIGKILL leaves them to the system's
    cleaning).
    """

    def __init__(self, n_workers: int = 0) -> None:
        if n_workers < 0:
            raise ValueError(f"n_workers: wants 0 (one a core) or more, got {n_workers}")
        n_workers = n_workers or core_count()
        super().__init__(n_workers, _LocalHost(worker_environment(core_count(), n_workers)))


class _LocalHost:
    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._folder = tempfile.TemporaryDirectory(prefix="windrow-broadcast-")
        self._names = itertools.count()

    def start(self, slot: int) -> _LocalWorker:
        return _LocalWorker({**self._environment, **gpu_environment(slot)})

    def store(self, value: Any) -> SharedFile:
        return write_shared(value, Path(self._folder.name) / str(next(self._names)))

    def discard(self, source: SharedFile) -> None:
        source.path.unlink(missing_ok=True)

    def close(self) -> None:
        self._folder.cleanup()


class _LocalWorker:
    def __init__(self, environment: dict[str, str]) -> None:
        self._connection, theirs = Pipe()
        their_line, self._line = os.pipe()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _MAIN, str(theirs.fileno()), str(their_line), *sys.path],
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno(), their_line],
                )
        finally:
            os.close(their_line)
        weakref.finalize(self, os.close, self._line)

    def ask(self, call: Call) -> bytes:
        try:
            self._connection.send((call.sources, call.live))
            self._connection.send_bytes(call.payload)
            self._wait()
            return self._connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise WorkerDiedError(f"worker process {self._process.pid} {self._end()}") from error

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    # a process that the worker left behind can hold the worker's end of the connection open
    def _wait(self) -> None:
        alive = True
        while not self._connection.poll(1):
            if not alive:
                raise EOFError
            alive = self._process.poll() is None

    def _end(self) -> str:
        self._connection.close()
        self.kill()
        code = self._process.returncode
        if code == -signal.SIGKILL:
            return "was killed (by hand, by close, or by the system when memory ran out)"
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
