"""The same bytes on any number of threads, in any memory, from arrays, files and readers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kmeans_twin import ONE, pool

from windrow.tasks.algorithms.clustering import points as blocks_of_points
from windrow.tasks.algorithms.clustering.kmeans import KMeans, kmeans
from windrow.tasks.algorithms.clustering.points import Resources


def as_bytes(fit: KMeans) -> tuple[bytes, bytes, bytes, float, int]:
    arrays = (fit.centroids, fit.assignment, fit.distance)
    return (*(array.tobytes() for array in arrays), fit.inertia, fit.n_iters)


@dataclass(frozen=True)
class Reader:
    """Points that are not an array."""

    kept: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.kept.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.kept.dtype

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, rows: Any) -> np.ndarray:
        assert isinstance(rows, slice) or len(rows) < 1000  # blocks, or a few rows, but never the pool
        return self.kept[rows].copy()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_threads_memory_and_the_ends_of_blocks_change_no_byte(dtype: type, monkeypatch: pytest.MonkeyPatch):
    points = pool(dtype)
    init = points[:90].astype(np.float32)
    init[:4] = 1000  # empty clusters too
    whole = kmeans(points, 90, init=init, resources=ONE)
    assert whole.n_iters > 5
    monkeypatch.setattr(blocks_of_points, "BLOCK_VALUES", 1)  # blocks of 1024 rows
    for n_threads, memory in ((1, 2**31), (2, 0), (3, 2**31), (3, 0)):
        again = kmeans(points, 90, init=init, resources=Resources(n_threads=n_threads, memory=memory))
        assert as_bytes(again) == as_bytes(whole)


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blocks_of_points, "BLOCK_VALUES", 1)
    fits = [kmeans(pool(), 97, seed=3, resources=Resources(n_threads=n, memory=0)) for n in (1, 2, 3)]
    assert as_bytes(fits[0]) == as_bytes(fits[1]) == as_bytes(fits[2])
    assert as_bytes(kmeans(pool(), 97, seed=4)) != as_bytes(fits[0])


def test_arrays_memory_maps_and_readers_are_clustered_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blocks_of_points, "BLOCK_VALUES", 1)
    points = pool()
    np.save(tmp_path / "points.npy", points)
    mapped = np.load(tmp_path / "points.npy", mmap_mode="r")
    init = points[:50].astype(np.float32)
    init[:3] = 1000
    of_array, of_map, of_reader = (kmeans(each, 50, init=init) for each in (points, mapped, Reader(points)))
    assert as_bytes(of_array) == as_bytes(of_map) == as_bytes(of_reader)


def test_what_is_kept_of_each_point_goes_where_the_scratch_setting_says():
    made: list[np.ndarray] = []

    def scratch(shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> np.ndarray:
        made.append(np.empty(shape, dtype))
        return made[-1]

    fit = kmeans(pool(), 20, seed=0, resources=Resources(scratch=scratch))
    assert any(np.shares_memory(fit.assignment, array) for array in made)
    assert sum(array.nbytes for array in made) == 12 * 4000


def test_read_only_points_are_accepted_and_left_alone():
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    before = points.tobytes()
    points.flags.writeable = False
    init = points[:3]
    kmeans(points, 5, seed=0, init=init)
    assert points.tobytes() == before
