"""How much memory a run may take: one number, from which every stage takes what it holds at once.

It never changes an answer: sums are over fixed blocks in a fixed order, and only how much is held at a time follows the
budget. It stays out of fingerprints. A process has one budget: the run's, or in a worker its part of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from windrow.tasks.pictures.machine_memory import memory_of_machine

SHARE = 2  # of the machine's memory, a run has one part in so many where nothing is said
LEAST = 2**28
"""Bytes that any process may take: with less no stage could work."""

Result = TypeVar("Result")

_told: int | None = None


def memory_budget() -> int:
    """Return the bytes that this process may take, roughly."""
    return memory_of_machine() // SHARE if _told is None else _told


def told_budget() -> int | None:
    """Return the same where it was said; None where it is what is usual for this machine."""
    return _told


@contextmanager
def having(memory_gb: float | None, n_sharers: int = 1) -> Iterator[None]:
    """Let this process have, in the block, its part of a budget; of None: of half of its machine's memory."""
    global _told
    before = _told
    total = memory_of_machine() // SHARE if memory_gb is None else int(memory_gb * 2**30)
    _told = max(total // n_sharers, LEAST)
    try:
        yield
    finally:
        _told = before


def within(
    memory_gb: float | None, n_sharers: int, function: Callable[..., Result], *args: Any, **named: Any
) -> Result:
    """Return `function(*args)`, with a part of a budget: what is sent to a worker."""
    with having(memory_gb, n_sharers):
        return function(*args, **named)
