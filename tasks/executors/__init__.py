"""Where the work of a stage runs: one protocol; a local pool of processes, Ray actors or this process behind it."""

from __future__ import annotations

import atexit
import threading

from windrow.tasks.executors.executor import (
    Broadcast,
    Executor,
    ExecutorConfig,
    WorkerDiedError,
)
from windrow.tasks.executors.inline import InlineExecutor
from windrow.tasks.executors.local import LocalExecutor
from windrow.tasks.executors.ray import RayExecutor
from windrow.tasks.executors.state import worker_state
from windrow.tasks.executors.worker_pool import PooledExecutor

__all__ = [
    "Broadcast",
    "Executor",
    "ExecutorConfig",
    "InlineExecutor",
    "LocalExecutor",
    "RayExecutor",
    "WorkerDiedError",
    "close_executors",
    "open_executor",
    "worker_state",
]

_running: dict[ExecutorConfig, PooledExecutor] = {}
_lock = threading.Lock()


def open_executor(config: ExecutorConfig) -> Executor:
    """The running executor of a config: the same one each time in this process, until it is closed.

    It is closed at exit, so callers leave it open. Raises ImportError when it needs Ray and Ray is not installed.
    """
    with _lock:
        running = _running.get(config)
        if running is None or running.closed:
            running = _running[config] = _start(config)
        return running


@atexit.register
def close_executors() -> None:
    """End all executors that `open_executor` started, the calls under way included."""
    with _lock:
        while _running:
            # the newest first: the oldest Ray executor holds the cluster that the others use
            _running.popitem()[1].close()


def _start(config: ExecutorConfig) -> PooledExecutor:
    if config.kind == "ray":
        return RayExecutor(config.n_workers, config.address)
    return InlineExecutor() if config.kind == "inline" else LocalExecutor(config.n_workers)
