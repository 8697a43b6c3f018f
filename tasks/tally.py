"""How many samples workers have done so far: a number for each call, in a file that the process of the run reads.

A file, since that is all that processes which were not started by each other share; workers on other machines do not
find it, and count nothing.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

Thing = TypeVar("Thing")
Result = TypeVar("Result")

_here = threading.local()


@contextmanager
def tally(n_calls: int) -> Iterator[Tally]:
    """Count the samples of some calls while the block runs."""
    with tempfile.NamedTemporaryFile(prefix="windrow-tally-") as file:
        file.truncate(max(n_calls, 1) * np.dtype(np.int64).itemsize)
        yield Tally(file.name)


class Tally:
    """Counts the samples of calls in a file that holds a zero for each; `path` is for `counted`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._counts = np.memmap(path, np.int64, "r+")

    def n_done(self) -> int:
        """The samples that all calls have done."""
        return int(self._counts.sum())

    def finish(self, call: int, n_samples: int) -> None:
        """Say how many samples a call did that is over, or that was found done."""
        self._counts[call] = n_samples


def counted(path: str, call: int, function: Callable[..., Result], *args: Any) -> Result:
    """In a worker: run a call, in which `count` counts for it."""
    try:
        counts = np.memmap(path, np.int64, "r+")
    except (OSError, ValueError):
        return function(*args)
    counts[call] = 0  # an earlier try of it may have got somewhere
    _here.counts = np.asarray(counts)[call : call + 1]  # to add to a memmap itself takes five times as long
    try:
        return function(*args)
    finally:
        del _here.counts


def add(n_samples: int) -> None:
    """Count samples of the call that this thread is at, if one is counted."""
    counts = getattr(_here, "counts", None)
    if counts is not None:
        counts += n_samples


def count(things: Iterable[Thing]) -> Iterator[Thing]:
    """Yield things, each a sample, and count each when the next one is wanted."""
    counts = getattr(_here, "counts", None)
    for thing in things:
        yield thing
        if counts is not None:
            counts += 1
