"""The memory that decoding may take, for all processes of a machine together.

Each process may take FREE without asking. What needs more takes slots of a file in the folder for temporary files: a
lock on a byte of it is SLOT bytes of memory, and the kernel gives the locks back, however the process ends. Whoever
waits for slots holds the turn (the first byte), so that nobody waits for one who waits for him.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

FREE = 256 * 2**20
SLOT = 64 * 2**20
SHARE = 2  # of the machine's memory, all decoding together has one part in so many

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class MachineMemory:
    """This process's part in the memory for decoding: it has mapped `base` bytes, and may have `most` more."""

    def __init__(self, slots: int, base: int, most: int) -> None:
        self._file, self._base, self._most = slots, base, most
        self._free, self._has_taken = min(FREE, most), False
        self._n_slots = max(1, (memory_of_machine() // SHARE - FREE) // SLOT)
        self._limit(self._free)

    @contextlib.contextmanager
    def taken(self, n_bytes: int) -> Iterator[None]:
        """Have `n_bytes`, or all that there is, in this block. The clock of an image does not run while it waits.

        Inside such a block nothing more is taken: two that hold some and want more would wait for ever.
        """
        if n_bytes <= self._free or self._has_taken:
            yield
            return
        n_slots = min(self._n_slots, -(-(n_bytes - self._free) // SLOT))
        seconds_left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        taken = self._take(n_slots)
        self._has_taken = True
        try:
            self._limit(min(self._most, self._free + n_slots * SLOT))
            signal.setitimer(signal.ITIMER_REAL, seconds_left)
            yield
        finally:
            self._has_taken = False
            self._limit(self._free)
            for slot in taken:
                self._lock(slot, "LOCK_UN")

    def _take(self, n_slots: int) -> list[int]:
        taken: list[int] = []
        self._lock(0, "LOCK_EX")
        try:
            for slot in range(1, self._n_slots + 1):
                if len(taken) < n_slots and self._lock(slot, "LOCK_EX", "LOCK_NB"):
                    taken.append(slot)
            for slot in (each for each in range(1, self._n_slots + 1) if each not in taken):
                if len(taken) == n_slots:
                    break
                self._lock(slot, "LOCK_EX")  # the turn is ours: whoever has it decodes, and gives it back
                taken.append(slot)
        finally:
            self._lock(0, "LOCK_UN")
        return taken

    def _lock(self, slot: int, *flags: str) -> bool:
        import fcntl

        try:
            fcntl.lockf(self._file, sum(getattr(fcntl, flag) for flag in flags), 1, slot)
        except BlockingIOError:
            return False
        return True

    def _limit(self, n_bytes: int) -> None:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = self._base + n_bytes
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


_mine: MachineMemory | None = None


def share_memory(slots: int, base: int, most: int) -> None:
    """Make this process one of those that share the memory for decoding: see `open_slots` and MachineMemory."""
    global _mine
    _mine = MachineMemory(slots, base, most)


@contextlib.contextmanager
def reserved(n_bytes: int) -> Iterator[None]:
    """Have `n_bytes` of the memory for decoding in this block; outside a sandbox nobody is asked."""
    with contextlib.nullcontext() if _mine is None else _mine.taken(n_bytes):
        yield


def memory_of_machine() -> int:
    """Return the bytes of memory that this process's machine, or container, has."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in map(Path, _CGROUP_LIMITS):
        with contextlib.suppress(OSError, ValueError):
            found.append(int(path.read_text()))
    return min(found)


def open_slots() -> int:
    """Open the file whose bytes are the slots, one for each user of the machine. Raises OSError when it cannot be."""
    path = Path(tempfile.gettempdir()) / f"windrow-decoding-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
