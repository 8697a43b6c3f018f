"""Whose turn it is: requests to many hosts, such that one that is slow, or wants to be asked later, delays no other.

Each host has a queue, and hosts take turns. A host that wants a pause, or a request that is to be tried again, waits
without a thread. A request that takes longer than SLOW_SECONDS does not count among those that may be made at once, so
that slow hosts do not take the place of others; there are at most THREADS times as many threads.

The time that a host loses (in failed tries, in the pauses that it asks for, in slow answers) is counted for a run. Over
`host_seconds`, what is left of it ends as SLOW_HOST; over `run_seconds`, everything ends as OVER: both are asked for
again in the next run.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from windrow.tasks.fetching.fetch_config import FetchConfig
from windrow.tasks.fetching.hosts import Host, is_over
from windrow.tasks.fetching.reasons import OVER, SLOW_HOST, Later, may_pass
from windrow.tasks.fetching.waiting_bodies import Body

SLOW_SECONDS = 5.0
THREADS = 4
_Answer = Body


@dataclass(eq=False)
class _Request:
    url: str
    host: Host
    answer: Future[_Answer] = field(default_factory=Future)
    n_tries: int = 0
    not_before: float = 0.0


class Turns:
    """Makes requests in threads, `config.concurrency` at once, until `close`.

    `once(url, n)` is the n-th try (from 0) of a URL.
    """

    def __init__(self, config: FetchConfig, once: Callable[[str, int], _Answer | Later]) -> None:
        self._config, self._once = config, once
        self._queues: OrderedDict[Host, deque[_Request]] = OrderedDict()
        self._running: dict[_Request, float] = {}
        self._changed = threading.Condition()
        self._is_closed = False
        self._threads: list[threading.Thread] = []

    def ask(self, url: str, host: Host) -> Future[_Answer]:
        """Put a URL of a host into its queue; return where its body, or the reason why there is none, will be."""
        request = _Request(url, host)
        with self._changed:
            self._queues.setdefault(host, deque()).append(request)
            if len(self._threads) < THREADS * self._config.concurrency:
                thread = threading.Thread(target=self._work, name="fetch", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify_all()
        return request.answer

    def close(self) -> None:
        """End when the requests under way have; those that wait are dropped."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (request := self._take()) is not None:
            started = time.monotonic()
            try:
                self._note(request, self._once(request.url, request.n_tries), time.monotonic() - started)
            except BaseException as error:  # a defect, or a store that fails: whoever asked is to know
                self._end(request)
                request.answer.set_exception(error)

    def _take(self) -> _Request | None:
        with self._changed:
            while not self._is_closed:
                now = time.monotonic()
                request, seconds = self._next(now)
                if request is not None:
                    self._running[request] = now
                    return request
                self._changed.wait(seconds)
        return None

    def _next(self, now: float) -> tuple[_Request | None, float | None]:
        """Return the request whose turn it is; where there is none, the seconds until there may be one."""
        ages = [now - started for started in self._running.values()]
        quick = [SLOW_SECONDS - age for age in ages if age < SLOW_SECONDS]
        if len(quick) >= self._config.concurrency:
            return None, min(quick)
        soonest = min(quick, default=None)
        for host in list(self._queues):
            self._drop_what_is_over(host, now)
            queue = self._queues.get(host)
            if not queue or sum(one.host is host for one in self._running) >= self._config.per_host:
                continue
            at, request = min(((max(host.resume_at, one.not_before), n) for n, one in enumerate(queue)), default=(0, 0))
            if at <= now:
                found = queue[request]
                del queue[request]
                self._queues.move_to_end(host)
                return found, None
            soonest = min(at - now, soonest) if soonest is not None else at - now
        return None, soonest

    def _drop_what_is_over(self, host: Host, now: float) -> None:
        reason = OVER if is_over(now) else SLOW_HOST if host.lost > self._config.host_seconds else None
        if not self._queues[host] or reason:
            for request in self._queues.pop(host):
                request.answer.set_result(reason or "")

    def _note(self, request: _Request, answer: _Answer | Later, seconds: float) -> None:
        is_later = isinstance(answer, Later)
        failed = is_later or (isinstance(answer, str) and may_pass(answer))
        lost = seconds if failed else max(0.0, seconds - SLOW_SECONDS)
        with self._changed:
            request.host.lost += lost + (answer.seconds if isinstance(answer, Later) else 0.0)
        if not isinstance(answer, Later):
            self._end(request)
            request.answer.set_result(answer)
            return
        with self._changed:
            request.n_tries += 1
            request.not_before = time.monotonic() + answer.seconds
            self._queues.setdefault(request.host, deque()).append(request)
        self._end(request)

    def _end(self, request: _Request) -> None:
        with self._changed:
            del self._running[request]
            self._changed.notify_all()
