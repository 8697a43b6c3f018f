"""What the executors share: a queue of calls, and a thread for each worker that takes them to it."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from windrow.tasks.executors.calls import Call, pack, unpack
from windrow.tasks.executors.executor import Broadcast, WorkerDiedError

Result = TypeVar("Result")

_tokens = itertools.count()


class Worker(Protocol):
    """One worker process, used by one thread at a time."""

    def ask(self, call: Call) -> bytes:
        """Send a call and wait for its outcome. Raises WorkerDiedError, after which the worker is done with."""
        ...

    def kill(self) -> None:
        """End the process; another thread that waits in `ask` gets WorkerDiedError."""
        ...


class Host(Protocol):
    """Where workers live, and where their broadcast values lie."""

    def start(self, slot: int) -> Worker:
        """Start the worker of a slot, from 0 to the number of workers less one; again when it died."""
        ...

    def store(self, value: Any) -> Any:
        """Put a value where workers can fetch it; returns the source to fetch it from."""
        ...

    def discard(self, source: Any) -> None:
        """Free a stored value."""
        ...

    def close(self) -> None:
        """Free what the host holds, its workers having ended."""
        ...


@dataclass(frozen=True)
class _Job:
    payload: bytes
    broadcasts: list[Broadcast]  # held until the job is done, so that their values are too
    outcome: Future[bytes]


class PooledExecutor:
    """An executor over the workers of a host, each started at the first call that needs it and again when it died."""

    def __init__(self, n_workers: int, host: Host) -> None:
        self._host = host
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._sources: dict[int, Any] = {}
        self._workers: list[Worker | None] = [None] * n_workers
        self._lock = threading.Lock()
        self._closed = False
        # daemon: at exit, Python would otherwise wait for the running calls before close could end them
        self._threads = [
            threading.Thread(target=self._serve, args=(slot,), name=f"windrow-worker-{slot}", daemon=True)
            for slot in range(n_workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def n_workers(self) -> int:
        """Number of workers."""
        return len(self._workers)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def run(self, function: Callable[..., Result], *args: Any) -> Result:
        """See `Executor.run`."""
        result: Result = unpack(self._submit(function, args).result())
        return result

    def map(self, function: Callable[..., Result], items: Iterable[Any], *args: Any) -> Iterator[Result]:
        """See `Executor.map`."""
        ahead: deque[Future[bytes]] = deque()
        try:
            for item in items:
                ahead.append(self._submit(function, (item, *args)))
                if len(ahead) == 2 * self.n_workers:
                    yield unpack(ahead.popleft().result())
            while ahead:
                yield unpack(ahead.popleft().result())
        finally:
            for outcome in ahead:
                outcome.cancel()

    def broadcast(self, value: Any) -> Broadcast:
        """See `Executor.broadcast`."""
        self._refuse_if_closed()
        broadcast = Broadcast(next(_tokens))
        source = self._host.store(value)
        with self._lock:
            self._sources[broadcast.token] = source
        weakref.finalize(broadcast, _free, self._host, self._sources, broadcast.token)
        return broadcast

    def close(self) -> None:
        """See `Executor.close`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            while not self._jobs.empty():
                job = self._jobs.get()
                if job is not None and job.outcome.set_running_or_notify_cancel():
                    job.outcome.set_exception(WorkerDiedError("the executor was closed before this call's turn"))
            for worker in self._workers:
                self._jobs.put(None)
                if worker is not None:
                    worker.kill()
        for thread in self._threads:
            thread.join()
        for token in list(self._sources):
            _free(self._host, self._sources, token)
        self._host.close()

    def _submit(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Future[bytes]:
        payload, broadcasts = pack(function, args)
        job = _Job(payload, broadcasts, Future())
        with self._lock:
            self._refuse_if_closed()
            if any(broadcast.token not in self._sources for broadcast in broadcasts):
                raise ValueError("args: hold a Broadcast of another executor")
            self._jobs.put(job)
        return job.outcome

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise ValueError("executor: it is closed")

    def _serve(self, slot: int) -> None:
        while self._take_job(slot):
            pass

    # a function of its own, so that no variable holds a job's broadcasts while its thread waits for the next
    def _take_job(self, slot: int) -> bool:
        job = self._jobs.get()
        if job is None:
            return False
        if job.outcome.set_running_or_notify_cancel():
            try:
                sources = {broadcast.token: self._sources[broadcast.token] for broadcast in job.broadcasts}
                call = Call(job.payload, sources, frozenset(self._sources))
                job.outcome.set_result(self._worker(slot).ask(call))
            except WorkerDiedError as error:
                self._workers[slot] = None
                job.outcome.set_exception(error)
            except BaseException as error:
                job.outcome.set_exception(error)
        del job  # or the traceback of an error, which refers to this frame, would hold its broadcasts
        return True

    def _worker(self, slot: int) -> Worker:
        worker = self._workers[slot] or self._host.start(slot)
        with self._lock:
            self._workers[slot] = worker
            if self._closed:
                worker.kill()
        return worker


def _free(host: Host, sources: dict[int, Any], token: int) -> None:
    source = sources.pop(token, None)
    if source is not None:
        host.discard(source)
