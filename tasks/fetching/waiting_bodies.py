"""Bodies that were fetched before their turn: the first few in memory, the others in a temporary file."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from typing import TypeVar

MEMORY_BYTES = 64 * 2**20
Other = TypeVar("Other")


@dataclass(frozen=True)
class OnDisk:
    """Where a body lies in the file."""

    start: int
    length: int


Body = bytes | str | OnDisk
"""A body, or the reason why there is none."""


class WaitingBodies:
    """Keeps at most MEMORY_BYTES in memory. Threads may share it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed by __exit__)
        self._lock = threading.Lock()
        self._n_bytes = 0

    def __enter__(self) -> WaitingBodies:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def put(self, body: bytes | Other) -> bytes | OnDisk | Other:
        """Keep a body; whatever is none comes back as it is. Raises OSError when the disk is full."""
        if not isinstance(body, bytes):
            return body
        with self._lock:
            if self._n_bytes + len(body) <= MEMORY_BYTES:
                self._n_bytes += len(body)
                return body
            place = OnDisk(self._file.seek(0, 2), len(body))
            self._file.write(body)
            return place

    def take(self, body: Body) -> bytes | str:
        """Return what was put."""
        with self._lock:
            if isinstance(body, OnDisk):
                self._file.seek(body.start)
                return self._file.read(body.length)
            self._n_bytes -= len(body) if isinstance(body, bytes) else 0
            return body
