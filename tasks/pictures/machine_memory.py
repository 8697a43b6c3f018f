"""The memory that decoding may take, for all processes of a machine together.

Each process may take FREE without asking. What needs more takes slots of a file in the folder for temporary files: a
lock on a byte of it is SLOT bytes of memory, and the kernel gives the locks back, however the process ends. Whoever
waits for slots holds the turn (the first byte), so that nobody waits for one who waits for him.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

FREE = 256 * 2**20
SLOT = 64 * 2**20
SHARE = 2  # of the machine's memory, all decoding together has one part in so many

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class Slots:
    """Some slots of memory, of a file that all processes share."""

    def __init__(self, name: str, n_bytes: int) -> None:
        path = Path(tempfile.gettempdir()) / f"windrow-{name}-{os.getuid()}"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        self.n_slots = max(1, n_bytes // SLOT)

    def take(self, n_bytes: int) -> list[int]:
        """Wait for so many bytes, or for all that there are, and return the slots to give back."""
        wanted = min(self.n_slots, -(-n_bytes // SLOT))
        taken: list[int] = []
        self._lock(0, "LOCK_EX")
        try:
            for slot in range(1, self.n_slots + 1):
                if len(taken) < wanted and self._lock(slot, "LOCK_EX", "LOCK_NB"):
                    taken.append(slot)
            for slot in (each for each in range(1, self.n_slots + 1) if each not in taken):
                if len(taken) == wanted:
                    break
                self._lock(slot, "LOCK_EX")  # the turn is ours: whoever has it works, and gives it back
                taken.append(slot)
        finally:
            self._lock(0, "LOCK_UN")
        return taken

    def give(self, slots: list[int]) -> None:
        """Give slots back."""
        for slot in slots:
            self._lock(slot, "LOCK_UN")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _lock(self, slot: int, *flags: str) -> bool:
        import fcntl

        try:
            fcntl.lockf(self._file, sum(getattr(fcntl, flag) for flag in flags), 1, slot)
        except BlockingIOError:
            return False
        return True


class MachineMemory:
    """This process's part in the memory for decoding: it has mapped `base` bytes, and may have `most` more."""

    def __init__(self, slots: Slots, base: int, most: int) -> None:
        self._slots, self._base, self._most = slots, base, most
        self._free, self._has_taken = min(FREE, most), False
        self._limit(self._free)

    @contextlib.contextmanager
    def taken(self, n_bytes: int) -> Iterator[None]:
        """Have `n_bytes`, or all that there is, in this block. The clock of an image does not run while it waits.

        Inside such a block nothing more is taken: two that hold some and want more would wait for ever.
        """
        if n_bytes <= self._free or self._has_taken:
            yield
            return
        seconds_left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        taken = self._slots.take(n_bytes - self._free)
        self._has_taken = True
        try:
            self._limit(min(self._most, self._free + len(taken) * SLOT))
            signal.setitimer(signal.ITIMER_REAL, seconds_left)
            yield
        finally:
            self._has_taken = False
            self._limit(self._free)
            self._slots.give(taken)

    def while_receiving(self) -> None:
        """Let this process have all that it may: how large a message is, is known when it is there."""
        self._limit(self._most)

    def hold(self, n_bytes: int) -> None:
        """Let this process keep a message of so many bytes, and two copies of it, beside what it may have."""
        self._free = min(FREE + 3 * n_bytes, self._most)
        self._limit(self._free)

    def _limit(self, n_bytes: int) -> None:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = self._base + n_bytes
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


_mine: MachineMemory | None = None


def share_memory(slots: Slots, base: int, most: int) -> MachineMemory:
    """Make this process one of those that share the memory for decoding: see `decoding_slots` and MachineMemory."""
    global _mine
    _mine = MachineMemory(slots, base, most)
    return _mine


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


def decoding_slots() -> Slots:
    """Return the slots of all decoding. Raises OSError when their file cannot be opened."""
    return Slots("decoding", memory_of_machine() // SHARE)


_reading = threading.Lock()


@contextlib.contextmanager
def reserved_for_reading(n_bytes: int) -> Iterator[None]:
    """Have `n_bytes` of a quarter of the memory for decoding, for a file that is unpacked, in this block.

    A process has one such part at a time: who asks for another meanwhile gets none. It is no part of the slots for
    decoding, so a reader that waits for a sandbox holds nothing that the sandbox waits for.
    """
    if n_bytes <= FREE or importlib.util.find_spec("fcntl") is None or not _reading.acquire(blocking=False):
        yield
        return
    slots = Slots("reading", memory_of_machine() // SHARE // 4)
    taken = slots.take(n_bytes)
    try:
        yield
    finally:
        slots.give(taken)
        slots.close()
        _reading.release()
