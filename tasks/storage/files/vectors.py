"""Vectors in a file, read as they are asked for: what a clustering needs of a pool that does not fit in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

DENSE = 8  # rows that are at least one in so many of a stretch are read with the stretch


@dataclass(frozen=True)
class VectorFile:
    """Rows of a file of plain numbers, (n, dim), array-like (`windrow.tasks.algorithms.clustering.points.Points`).

    `vectors[rows]` reads rows, a slice or int64, and keeps nothing of them. `unit`: rows are float32, scaled
    to length one (a row of zeros stays).
    """

    path: Path
    shape: tuple[int, int]
    stored: np.dtype[Any]
    unit: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of what is read."""
        return np.dtype(np.float32) if self.unit else self.stored

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> npt.NDArray[np.floating[Any]]:
        found = self._stretch(*rows.indices(len(self))) if isinstance(rows, slice) else self._gather(rows)
        return to_unit(found) if self.unit else found

    def _stretch(self, start: int, stop: int, step: int = 1) -> npt.NDArray[np.floating[Any]]:
        n, dim = max(stop - start, 0), self.shape[1]
        offset = start * dim * self.stored.itemsize
        found = np.fromfile(self.path, self.stored, n * dim, offset=offset)
        if len(found) < n * dim:
            raise self._cut_off()
        return found.reshape(n, dim)[::step]

    def _gather(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.floating[Any]]:
        if len(rows) == 0:
            return np.empty((0, self.shape[1]), self.stored)
        first, last = int(rows.min()), int(rows.max()) + 1
        if last - first <= DENSE * len(rows):
            return self._stretch(first, last)[rows - first]
        # One read a row: a memory map would bring in, and count as ours, 64 KB around every one.
        found = np.empty((len(rows), self.shape[1]), self.stored)
        with self.path.open("rb") as file:
            for number, row in enumerate(rows.tolist()):
                if os.preadv(file.fileno(), [found[number].data], row * found[0].nbytes) < found[0].nbytes:
                    raise self._cut_off()
        return found

    def _cut_off(self) -> OSError:
        return OSError(f"{self.path} ends before row {len(self)} of {self.shape[1]} x {self.stored}")


def to_unit(vectors: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """Vectors scaled to length one, float32 (n, dim)."""
    found = vectors.astype(np.float32)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    found /= np.maximum(lengths, np.finfo(np.float32).tiny)
    return found
