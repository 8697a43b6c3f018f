"""Who is at work in a store: any number of runs at once, or one process that takes things away.

The lock is on the file `lock` of the store (flock), so it ends with its process, however that ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"


@contextmanager
def at_work(store: Path) -> Iterator[None]:
    """Add to a store; waits while somebody takes things away."""
    store.mkdir(parents=True, exist_ok=True)
    with (store / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(store: Path) -> Iterator[None]:
    """Take things away from a store. Raises ValueError at once when a run, or another who takes away, is at work."""
    with (store / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"store {store}: a run is at work in it; try again when it has ended") from None
        yield
