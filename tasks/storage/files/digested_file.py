"""A file whose digest is known when it is written: to read it again would cost as much as writing it."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

BUFFER = 2**20
MOST_AHEAD = 32  # pieces that wait to be hashed


class DigestedFile:
    """A new file to append to. Another thread hashes what is written; `sha256` is known once the file is closed."""

    def __init__(self, path: Path) -> None:
        self.sha256: str | None = None
        self._file = path.open("xb", buffering=0)
        self._hash = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1)
        self._ahead: list[Future[None]] = []
        self._buffer = bytearray()

    def write(self, data: bytes) -> int:
        """Append; see `io.RawIOBase.write`."""
        self._buffer += data
        if len(self._buffer) >= BUFFER:
            self._pass_on()
        return len(data)

    def _pass_on(self) -> None:
        piece, self._buffer = self._buffer, bytearray()
        self._ahead.append(self._thread.submit(self._hash.update, piece))
        while len(piece) > (done := self._file.write(piece)):
            piece = piece[done:]
        if len(self._ahead) > MOST_AHEAD:
            self._ahead.pop(0).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._pass_on()
        finally:
            self._thread.shutdown()
            self._file.close()
        self.sha256 = self._hash.hexdigest()
