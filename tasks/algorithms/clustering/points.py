"""Rows of numbers that need not fit in memory, and what they are computed with."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Int64Array

HIGH_BITS = 30  # of the largest coordinate, in sums: 2^33 of them fit in an int64,
LOW_BITS = 30  # and of what is left, in a second one
BLOCK_VALUES = 2**21  # 8 MB of float32 a block: enough blocks that the threads end together


class Points(Protocol):
    """float16 or float32 (n, d): a numpy array, or a file that reads the rows it is asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: Any, /) -> npt.NDArray[np.floating[Any]]: ...


def _in_memory(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.empty(shape, dtype)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Resources:
    """What to compute with. None of it changes an answer.

    device: 'cpu', or torch devices with commas between them: 'cuda', 'cuda:0,cuda:1' (blocks take turns). n_threads:
    by default the cores that this process may use. memory: bytes that may be used beside the points themselves,
    roughly; points are kept ready for the next iteration as far as it allows, and read again where it does not.
    scratch: makes an array of a shape and dtype for what is kept of every point (12 bytes a point), by default in
    memory; a file-backed one lets a pool outgrow that too.
    """

    device: str = "cpu"
    n_threads: int = field(default_factory=_cores)
    memory: int = 2**31
    scratch: Callable[[tuple[int, ...], npt.DTypeLike], npt.NDArray[Any]] = _in_memory

    def one_of_many(self) -> Resources:
        """Return what each thread has for work that is done on all of them at once."""
        return replace(self, n_threads=1, memory=self.memory // self.n_threads)


@dataclass(frozen=True)
class Taken:
    """Some rows of points, as points. rows: int64, ascending."""

    points: Points
    rows: Int64Array

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), int(self.points.shape[1]))

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.points.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> npt.NDArray[np.floating[Any]]:
        return self.points[self.rows[rows]]


def block_rows(dim: int) -> int:
    """How many rows make a block of about BLOCK_VALUES numbers."""
    return min(max(BLOCK_VALUES // dim, 1024), 16384)


def check_points(points: Points) -> None:
    """Raise ValueError unless points are float16 or float32 of shape (n >= 1, d >= 1)."""
    if len(points.shape) != 2 or 0 in points.shape or points.dtype not in (np.float16, np.float32):
        raise ValueError(
            f"points: expected float16 or float32 of shape (n >= 1, d >= 1), got {points.dtype} {points.shape}"
        )


def check_at_least(name: str, value: int, least: int) -> None:
    """Raise ValueError, naming the argument and what came."""
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
