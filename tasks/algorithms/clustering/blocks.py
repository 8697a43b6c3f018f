"""Points as blocks of rows, mapped over threads.

Blocks have a fixed number of rows, which depends on the dimension alone, and are combined in their order; sums are sums
of integers. So no answer depends on how many threads worked, on how much memory there was, or on the shards that the
rows came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int32Array, Int64Array, row_blocks
from windrow.tasks.algorithms.clustering.host_search import HostBlock, HostSearch
from windrow.tasks.algorithms.clustering.points import HIGH_BITS, Points, Resources, block_rows, check_points

Result = TypeVar("Result")

PART = 2048
DEVICE_VALUES = 2**25  # a device is given several slices at once: it is idle between blocks
THREAD_BYTES = 2**27  # what a thread holds besides the shared arrays: a block, its scores, sums of rows that moved


class Block(Protocol):
    """Some rows of the points, ready for comparison: which, and their lengths once shifted by origin."""

    @property
    def rows(self) -> slice: ...
    @property
    def length(self) -> Float32Array: ...

    def take(self, rows: Int64Array) -> Block:
        """Only some of its rows."""

    def raw(self, rows: Int64Array) -> npt.NDArray[np.floating[Any]]:
        """Some of its rows as they came."""

    def sums(self, rows: Int64Array, groups: Int32Array, scale: float) -> tuple[Int64Array, Int64Array, Int64Array]:
        """Groups that rows belong to, int64 ascending, how many rows each has, and the sums of their coordinates.

        Sums are two words, int64 (2, groups, d): of coordinates times scale, rounded to integers, and of what that
        leaves times 2^LOW_BITS. Integers add up exactly, in whatever order. At most SUMMED rows at a time.
        """


class Search(Protocol):
    """Centroids, or some of them, ready to be compared with the points of a block.

    A score is |c|^2 / 2 - x.c, of the shifted x and c: half the squared distance, less |x|^2 / 2.
    """

    def best_two(self, block: Any, own: Int32Array, part: slice = ...) -> tuple[Int64Array, Float32Array, Float32Array]:
        """Of every centroid but a point's own, the lowest score's, that score, and the second lowest (or inf).

        own: int32 (m,), -1 for none. part: only these of the search's centroids, by their place in it.
        """

    def few(self, block: Any, n: int) -> Int64Array:
        """The n centroids of the lowest scores of each point, int64 (m, n), in no order; n at most their number."""

    def length_of(self, centroid: Int64Array) -> Float32Array:
        """The lengths of some of its centroids, shifted."""

    def error(self, length: Float32Array, reach: Float32Array) -> Float32Array:
        """A bound on the error of the scores of points with some lengths and centroids up to some lengths."""

    def within(self, block: Any, limit: Float32Array) -> Iterator[tuple[Int64Array, Int64Array]]:
        """Pairs of row and centroid whose score is at most the row's limit, for few rows.

        They come in parts; those of one row in the order of the centroids, as far as they are in different parts.
        """

    def distances(self, block: Any, nearest: Int32Array, rows: Int64Array) -> Float32Array:
        """Euclidean distances of rows to the centroids nearest[rows], from differences; of a search over all."""


class Blocks:
    """Points as blocks. Raises ValueError for points of a wrong shape or that are not finite.

    origin: float32 (d,), the mean. scale: a power of two, see `Block.sums`: sums are exact but for what is 2^60 times
    smaller than the largest coordinate.
    """

    def __init__(self, points: Points, resources: Resources) -> None:
        check_points(points)
        self.points, self.resources = points, resources
        self.n, self.dim = int(points.shape[0]), int(points.shape[1])
        self.slices = row_blocks(self.n, block_rows(self.dim))
        self._devices = [] if resources.device == "cpu" else _torch_devices(resources.device)
        self._pieces = self._joined(DEVICE_VALUES) if self._devices else self.slices
        self._keep = len(self._pieces) == 1 or self._fit()
        self._kept: dict[int, Block] = {}
        self._threads: ThreadPoolExecutor | None = None
        self.origin = np.zeros(self.dim, np.float32)
        self.scale = 1.0

    def _joined(self, values: int) -> list[slice]:
        """Slices of as many numbers, at most, made of whole slices."""
        n_together = max(values // (self.dim * self.slices[0].stop), 1)
        firsts = range(0, len(self.slices), n_together)
        return [
            slice(self.slices[first].start, self.slices[min(first + n_together, len(self.slices)) - 1].stop)
            for first in firsts
        ]

    def _fit(self) -> bool:
        """Whether all blocks can be kept: on the devices, or in what the memory setting leaves on the host."""
        room = self.resources.memory - self.resources.n_threads * THREAD_BYTES
        held = self.n * (4 * self.dim + 8)
        if self._devices:
            from windrow.tasks.algorithms.clustering.torch_search import SPLIT_BYTES, free_memory

            on_devices = free_memory(self._devices)
            if on_devices is not None:
                room = on_devices // 2
            held = self.n * (self.points.dtype.itemsize + SPLIT_BYTES) * self.dim
        return held <= room

    @contextmanager
    def working(self) -> Iterator[Blocks]:
        """Look the points over, then keep threads for `map` until the end; BLAS gets no threads of its own."""
        threads = ThreadPoolExecutor(self.resources.n_threads, initializer=self._start_thread)
        with threadpool_limits(1, user_api="blas"), threads as self._threads:
            totals = np.zeros(self.dim)
            largest = 0.0
            for total, most in self._each(self._look, self.slices):
                totals += total
                largest = max(largest, most)
            self.origin = (totals / self.n).astype(np.float32)
            self.scale = 2.0 ** (HIGH_BITS - int(np.ceil(np.log2(largest)))) if largest > 0 else 1.0
            try:
                yield self
            finally:
                self._kept.clear()

    def _start_thread(self) -> None:
        if self._devices:
            from windrow.tasks.algorithms.clustering.torch_search import own_streams

            own_streams(self._devices)

    def map(self, work: Callable[[Block], Result]) -> Iterator[Result]:
        """work(block) for every block, in the order of the blocks."""
        return self._each(lambda number: work(self._block(number)), range(len(self._pieces)))

    def share(self, work: Callable[[slice], None], n: int) -> None:
        """work(part) for parts of range(n) of a fixed size."""
        for _ in self._each(work, [slice(start, min(start + PART, n)) for start in range(0, n, PART)]):
            pass

    def _each(self, work: Callable[[Any], Result], items: Any) -> Iterator[Result]:
        if self.resources.n_threads == 1 or len(items) == 1 or self._threads is None:
            return map(work, items)
        return self._threads.map(work, items)

    def _look(self, rows: slice) -> tuple[Float64Array, float]:
        raw = self.points[rows]
        with np.errstate(over="ignore"):
            squared = np.einsum("ij,ij->i", raw, raw, dtype=np.float32, casting="same_kind")
        if not np.isfinite(squared).all():
            row = rows.start + int(np.flatnonzero(~np.isfinite(squared))[0])
            raise ValueError(f"points: row {row} is not finite (or its squared length overflows float32)")
        return raw.sum(axis=0, dtype=np.float64), float(np.abs(raw).max())

    def search(self, centroids: Float32Array, only: Int64Array | None = None) -> Search:
        """Prepare centroids, float32 (k, d), or only those with some numbers, to be compared with blocks."""
        if self._devices:
            from windrow.tasks.algorithms.clustering.torch_search import TorchSearch

            return TorchSearch(centroids, self.origin, self._devices, only)
        return HostSearch(centroids, self.origin, only)

    def _block(self, number: int) -> Block:
        block = self._kept.get(number)
        if block is None:
            raw = self.points[self._pieces[number]]
            block = self._prepared(number, raw)
            if self._keep:
                self._kept[number] = block
        return block

    def _prepared(self, number: int, raw: npt.NDArray[np.floating[Any]]) -> Block:
        if self._devices:
            from windrow.tasks.algorithms.clustering.torch_search import TorchBlock

            device = self._devices[number % len(self._devices)]
            return TorchBlock.of(self._pieces[number], raw, self.origin, device)
        return HostBlock.of(self._pieces[number], raw, self.origin)


def _torch_devices(named: str) -> list[str]:
    """The devices of a list. Raises ValueError for one that torch does not know or has not got."""
    import torch

    devices = named.split(",")
    try:
        for device in devices:
            torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device: expected 'cpu' or torch devices, got {named!r} ({reason})") from error
    return devices
