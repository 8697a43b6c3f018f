"""What a worker knows in a run of the hosts that it fetches from: whether they answer, and when to ask again."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from windrow.tasks.fetching.opt_out import RobotsRules
from windrow.tasks.fetching.reasons import Failure

MAX_HOSTS = 4096
SECONDS_KNOWN = 3600.0
SECONDS_DOWN = 60.0
FAILURES_UNTIL_DOWN = 5


class Host:
    """One scheme, host and port. Threads share it."""

    def __init__(self, at_once: int) -> None:
        self.known_at = time.monotonic()
        self._slots = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._robots_lock = threading.Lock()
        self._robots: RobotsRules | None = None
        self._n_robots_failed = 0
        self._n_failed = 0
        self._down_until = 0.0
        self.resume_at = 0.0
        self.lost = 0.0
        """Seconds that its failures, pauses and slow answers took."""

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the requests that the host may have at once."""
        with self._slots:
            yield

    @property
    def is_down(self) -> bool:
        """Say whether so many requests in a row failed that none is made for a while."""
        return time.monotonic() < self._down_until

    def answered(self, well: bool) -> None:
        """Note how a request went."""
        with self._lock:
            self._n_failed = 0 if well else self._n_failed + 1
            if self._n_failed >= FAILURES_UNTIL_DOWN:
                self._down_until = time.monotonic() + SECONDS_DOWN

    def pause(self, seconds: float, most: float) -> None:
        """Let requests wait for so many seconds; when that is more than `most`, let them fail at once instead."""
        with self._lock:
            if seconds <= most:
                self.resume_at = max(self.resume_at, time.monotonic() + seconds)
            else:
                self._down_until = time.monotonic() + min(seconds, SECONDS_KNOWN)

    def robots(self, fetch: Callable[[], RobotsRules | Failure]) -> RobotsRules | Failure:
        """Return the rules of robots.txt, fetched once; when that fails, the next caller tries again."""
        with self._robots_lock:
            rules = fetch() if self._robots is None else self._robots
            if not isinstance(rules, Failure):
                self._robots = rules
                return rules
            self._n_robots_failed += 1
            if self._n_robots_failed % FAILURES_UNTIL_DOWN == 0:
                self.pause(SECONDS_DOWN, 0.0)
            return rules


_run_ends: list[float] = [math.inf, math.inf]  # by the clock of the machine that began it, and by time.monotonic


def begin_run(until: float) -> None:
    """Say when (`time.time`) the time for fetching of a run is up. At another run's end, hosts are known anew."""
    with _lock:
        if _run_ends[0] != until:
            _run_ends[:] = until, time.monotonic() + until - time.time()
            KNOWN.clear()


def is_over(now: float) -> bool:
    """Say whether the run's time for fetching is up, at a time of `time.monotonic`."""
    return now >= _run_ends[1]


KNOWN: OrderedDict[tuple[str, int], Host] = OrderedDict()
_lock = threading.Lock()


def host_of(origin: str, at_once: int) -> Host:
    """Return what this process knows of a host; after an hour it is forgotten, and robots.txt is read anew."""
    with _lock:
        host = KNOWN.pop((origin, at_once), None)
        if host is None or time.monotonic() - host.known_at > SECONDS_KNOWN:
            host = Host(at_once)
        KNOWN[origin, at_once] = host
        if len(KNOWN) > MAX_HOSTS:
            KNOWN.popitem(last=False)
        return host
