"""The file that the rows of an answer go into."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any


class AnswerFile(io.FileIO):
    """A new file of `gib` GiB at most; None: of any size. What would make it larger raises ValueError, unwritten."""

    def __init__(self, path: Path, gib: float | None) -> None:
        super().__init__(path, "x")
        self._gib = gib

    def write(self, data: Any) -> int:
        """See `io.RawIOBase.write`."""
        if self._gib is not None and self.tell() + memoryview(data).nbytes > self._gib * 2**30:
            raise ValueError(f"the answer is larger than {self._gib:g} GiB; `--answer-size` allows more")
        return super().write(data)
