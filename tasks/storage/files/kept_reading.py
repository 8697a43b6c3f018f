"""What was read last of some files, for whoever asks for the same files next."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from windrow.tasks.storage.memory_budget import memory_budget

KEPT = 16
"""What was read last stays where it takes less than one part in so many of what this process may take: a night reads
the same embeddings and the same graph eight times."""

Found = TypeVar("Found")


class KeptReading(Generic[Found]):
    """Reads files, or gives again what it read last where they are still the same. Of several threads each may read.

    What it gives is not to be written to: who reads the same files next may get it, too.
    """

    def __init__(self) -> None:
        self._last: tuple[tuple[object, ...], Found] | None = None

    def of(
        self, paths: Sequence[Path], read: Callable[[], Found], n_bytes: Callable[[Found], int], part: Hashable = None
    ) -> Found:
        """Return what these files hold, or a `part` of it: what `read` gives, which takes `n_bytes` of memory."""
        facts = [(path, found.st_ino, found.st_mtime_ns, found.st_size) for path in paths for found in [path.stat()]]
        files = (*facts, part)
        last = self._last  # read once: another thread may let go of it
        if last is not None and last[0] == files:
            return last[1]
        last = self._last = None
        found = read()
        if n_bytes(found) <= memory_budget() // KEPT:
            self._last = files, found
        return found
