from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.clustering import host_search, points
from windrow.tasks.algorithms.clustering.blocks import Blocks
from windrow.tasks.algorithms.clustering.host_search import TILE
from windrow.tasks.algorithms.clustering.nearest import State, assign, assign_blocks
from windrow.tasks.algorithms.clustering.points import Resources

Pair = tuple[np.ndarray, np.ndarray]


def brute_force(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Every squared distance, in float64."""
    return np.square(rows[:, None].astype(np.float64) - centroids.astype(np.float64)).sum(axis=2)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)[:, None]


def normal(rng: np.random.Generator, n: int, k: int, d: int) -> Pair:
    return rng.normal(size=(n, d)).astype(np.float32), rng.normal(size=(k, d)).astype(np.float32)


def grid(rng: np.random.Generator, n: int, k: int, d: int) -> Pair:
    """Many exact ties."""
    return rng.integers(-2, 3, size=(n, d)).astype(np.float32), rng.integers(-2, 3, size=(k, d)).astype(np.float32)


def duplicates(rng: np.random.Generator, n: int, k: int, d: int) -> Pair:
    rows, centroids = normal(rng, n, k, d)
    return rows, centroids[rng.integers(0, 1 + k // 3, k)]


def far_from_the_origin(rng: np.random.Generator, n: int, k: int, d: int) -> Pair:
    rows, centroids = normal(rng, n, k, d)
    return rows + np.float32(1e5), centroids + np.float32(1e5)


def half_precision(rng: np.random.Generator, n: int, k: int, d: int) -> Pair:
    rows, centroids = normal(rng, n, k, d)
    return rows.astype(np.float16), centroids


def near_ties(rng: np.random.Generator, n: int, k: int, d: int) -> Pair:
    """Centroids that differ from a first one by a unit in the last place, up or down, here and there."""
    rows, centroids = normal(rng, n, 1, d)
    way = rng.choice([-np.inf, np.inf, 0], size=(k, d), p=[0.05, 0.05, 0.9]).astype(np.float32)
    return rows, np.where(way == 0, centroids, np.nextafter(centroids, way, dtype=np.float32)).astype(np.float32)


def all_coordinates_alike(rng: np.random.Generator, n: int, k: int, d: int) -> Pair:
    """Rounding errors that are all of one sign, so that they do not cancel in a long sum."""
    rows, centroids = normal(rng, n, k, 1)
    return np.repeat(rows, d, axis=1), np.repeat(np.concatenate([rows, centroids])[:k], d, axis=1)


def one_far_away(rng: np.random.Generator, n: int, k: int, d: int) -> Pair:
    rows, centroids = normal(rng, n, k, d)
    rows[0], centroids[-1] = 1e4, 1e4
    return rows, centroids


def lengths_far_apart(rng: np.random.Generator, n: int, k: int, d: int) -> Pair:
    """As before, and centroids that are much longer than others."""
    rows, centroids = all_coordinates_alike(rng, n, k, d)
    return rows, (centroids * 10 ** rng.uniform(-1, 4, size=(k, 1))).astype(np.float32)


HOSTILE = [
    normal,
    grid,
    duplicates,
    far_from_the_origin,
    half_precision,
    near_ties,
    all_coordinates_alike,
    one_far_away,
    lengths_far_apart,
]
CASES = pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)


@CASES
@settings(deadline=None, max_examples=25)
@given(
    n=st.integers(1, 70),
    k=st.integers(1, 40),
    d=st.sampled_from([1, 2, 3, 8, 40, 300]),
    tile=st.sampled_from([1, 7, TILE]),
    seed=st.integers(0, 10**6),
)
def test_every_point_goes_to_the_nearest_centroid_of_all_and_to_the_lowest_of_equals(make, n, k, d, tile, seed):
    rows, centroids = make(np.random.default_rng(seed), n, k, d)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host_search, "TILE", tile)
        patch.setattr(host_search, "CHUNK", 16)
        assignment, distance = assign(rows, centroids, resources=Resources(n_threads=1))
    exact = brute_force(rows, centroids)
    assert (assignment.dtype, distance.dtype) == (np.int32, np.float32)
    assert assignment.tolist() == exact.argmin(axis=1).tolist()
    np.testing.assert_allclose(distance, np.sqrt(exact.min(axis=1)), rtol=3e-7)


@CASES
@settings(deadline=None, max_examples=15)
@given(n=st.integers(1, 50), k=st.integers(1, 30), d=st.sampled_from([1, 3, 40, 3000]), seed=st.integers(0, 10**6))
@example(n=50, k=2, d=3000, seed=0)
@example(n=50, k=3, d=3000, seed=1)
@example(n=43, k=2, d=3000, seed=0)  # long points, short centroids: the error is that of |x|^2
def test_the_bound_on_the_other_centroids_is_below_every_one_of_their_distances(make, n, k, d, seed):
    rows, centroids = make(np.random.default_rng(seed), n, k, d)
    blocks = Blocks(rows, Resources(n_threads=1))
    state = State.of(n, blocks.resources)
    with blocks.working():
        assign_blocks(blocks, centroids, state)
    exact = np.sqrt(brute_force(rows, centroids))
    exact[np.arange(n), state.nearest] = np.inf
    assert (state.others <= exact.min(axis=1)).all()
    if make is normal and k > 1:  # and not by so much that it says nothing
        assert (state.others >= 0.99 * exact.min(axis=1) - 0.02).all()


def test_more_centroids_than_a_tile_are_all_considered():
    rows = np.random.default_rng(0).permutation(2 * TILE + 300).astype(np.float32)[:, None]
    assert np.array_equal(assign(rows, np.sort(rows, axis=0))[0], rows[:, 0].astype(np.int32))


def test_a_tie_goes_to_the_lowest_centroid_also_across_tiles():
    assert assign(column(0), column(1, -1))[0].tolist() == [0]
    assignment, distance = assign(column(3), np.full((TILE + 50, 1), 3, dtype=np.float32))
    assert (assignment.tolist(), distance.tolist()) == ([0], [0.0])
    centroids = np.full((TILE + 50, 1), 9, dtype=np.float32)
    centroids[[TILE - 1, TILE + 3]] = [[4], [2]]
    assert assign(column(3), centroids)[0].tolist() == [TILE - 1]


def test_distances_far_from_the_origin_are_exact():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 64, size=(200, 8)).astype(np.float32) + np.float32(100_000)
    centroids = rows[:20] + np.float32(0.5)
    exact = np.sqrt(brute_force(rows, centroids).min(axis=1)).astype(np.float32)
    assert np.array_equal(assign(rows, centroids)[1], exact)


@pytest.mark.parametrize("exponent", [-38, -25, -22, -20, 10, 18])
def test_very_small_and_very_large_numbers_are_told_apart_too(exponent: int):
    rng = np.random.default_rng(0)
    rows, centroids = (array * np.float32(10.0**exponent) for array in normal(rng, 300, 40, 5))
    exact = brute_force(rows, centroids)
    assignment, distance = assign(rows, centroids)
    assert assignment.tolist() == exact.argmin(axis=1).tolist()
    np.testing.assert_allclose(distance, np.sqrt(exact.min(axis=1)), rtol=1e-6)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_row_that_is_not_finite_is_named(bad: float, n_threads: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(points, "BLOCK_VALUES", 1)  # blocks of 1024 rows
    for dtype in (np.float16, np.float32):
        rows = np.ones((5000, 4), dtype)
        rows[[1700, 1701, 2900, 4000], 2] = bad
        with pytest.raises(ValueError, match="points: row 1700 is not finite"):
            assign(rows, rows[:2].astype(np.float32), resources=Resources(n_threads=n_threads))


def test_threads_memory_and_blocks_change_no_byte(monkeypatch: pytest.MonkeyPatch):
    rows, centroids = grid(np.random.default_rng(0), 5000, 300, 6)
    first = [array.tobytes() for array in assign(rows, centroids, resources=Resources(n_threads=1))]
    monkeypatch.setattr(points, "BLOCK_VALUES", 1)
    for n_threads in (1, 2, 3):
        again = assign(rows, centroids, resources=Resources(n_threads=n_threads, memory=0))
        assert [array.tobytes() for array in again] == first


def peak_memory(rows: np.ndarray, centroids: np.ndarray) -> int:
    tracemalloc.start()
    try:
        assign(rows, centroids, resources=Resources(n_threads=1))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", [duplicates, one_far_away])
def test_nothing_of_the_size_of_points_times_centroids_is_made(make):
    n, k = 8192, 512
    rng = np.random.default_rng(0)
    rows, centroids = make(rng, n, k, 8)
    if make is duplicates:
        centroids = np.repeat(centroids[:1], k, axis=0)
    assert peak_memory(rows, centroids) < peak_memory(*normal(rng, n, k, 8)) + 4 * n * k


def test_bad_calls_are_refused():
    rows = np.zeros((3, 2), dtype=np.float32)
    for wrong in (rows[:, :1], rows[:0], rows[0]):
        with pytest.raises(ValueError, match=r"centroids: expected shape \(k >= 1, 2\)"):
            assign(rows, wrong)
    with pytest.raises(ValueError, match="points: expected float16 or float32"):
        assign(rows.astype(np.float64), rows)
    with pytest.raises(ValueError, match="centroids: row 1 is not finite"):
        assign(rows, np.array([[0, 0], [np.nan, 1]], dtype=np.float32))
