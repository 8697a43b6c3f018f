"""Arrays in files, for what a computation keeps of every sample of a pool that outgrows memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Scratch = Callable[[tuple[int, ...], npt.DTypeLike], npt.NDArray[Any]]


def scratch_files(folder: Path, largest: int) -> Scratch:
    """Return what makes arrays: in memory up to `largest` bytes each, beyond that in a file without a name.

    The file's pages are the operating system's to write out, and its space is free again when the array is gone.
    """

    def scratch(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        if int(np.prod(shape)) * np.dtype(dtype).itemsize <= largest:
            return np.empty(shape, dtype)
        with tempfile.TemporaryFile(dir=folder) as file:
            return np.memmap(file, dtype, "w+", shape=shape)

    return scratch
