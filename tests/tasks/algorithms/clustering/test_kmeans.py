from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.clustering import kmeans as module
from windrow.tasks.algorithms.clustering import points as blocks_of_points
from windrow.tasks.algorithms.clustering.blocks import Blocks
from windrow.tasks.algorithms.clustering.kmeans import Iteration, KMeans, _Lloyd, fitted, kmeans
from windrow.tasks.algorithms.clustering.nearest import State, assign_blocks
from windrow.tasks.algorithms.clustering.points import Resources
from windrow.tasks.algorithms.clustering.seeding import seed_blocks

ONE = Resources(n_threads=1)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)[:, None]


def as_bytes(fit: KMeans) -> tuple[bytes, bytes, bytes, float, int]:
    arrays = (fit.centroids, fit.assignment, fit.distance)
    return (*(array.tobytes() for array in arrays), fit.inertia, fit.n_iters)


def brute_force(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Every squared distance, in float64."""
    return np.square(points[:, None].astype(np.float64) - centroids.astype(np.float64)).sum(axis=2)


def lloyd(points: np.ndarray, centroids: np.ndarray, n_iters: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The twin of `kmeans` from given centroids: all distances, every time, in float64."""
    nearest = brute_force(points, centroids).argmin(axis=1)
    for number in range(n_iters):
        distance = np.sqrt(np.square(centroids[nearest] - points, dtype=np.float64).sum(axis=1)).astype(np.float32)
        farthest = [row for row in np.argsort(-distance, kind="stable") if distance[row] > 0]
        means = centroids.copy()
        for cluster in range(len(centroids)):
            members = points[nearest == cluster]
            if len(members):
                means[cluster] = members.mean(axis=0, dtype=np.float64)
            elif farthest:
                means[cluster] = points[farthest.pop(0)]
        if np.array_equal(means, centroids):
            return centroids, nearest, brute_force(points, centroids).min(axis=1), number
        centroids = means
        nearest = brute_force(points, centroids).argmin(axis=1)
    return centroids, nearest, brute_force(points, centroids).min(axis=1), n_iters


def random_pool(seed: int, n: int, d: int, kind: str) -> np.ndarray:
    """Points whose sums float64 holds exactly, so that there is one right answer: float16, or small whole numbers."""
    rng = np.random.default_rng(seed)
    if kind == "grid":
        return rng.integers(-3, 4, size=(n, d)).astype(np.float32)
    if kind == "far":
        return (rng.integers(-9, 10, size=(n, d)) + 100_000).astype(np.float32)
    centres = rng.normal(size=(1 + n // 12, d)) * 6
    points = (centres[rng.integers(0, len(centres), n)] + rng.normal(size=(n, d))).astype(np.float16)
    return points[rng.integers(0, n, n)] if kind == "duplicates" else points


POOLS = st.sampled_from(["mixture", "duplicates", "grid", "far"])


def test_two_pairs_on_a_line_become_two_clusters():
    fit = kmeans(column(0, 1, 10, 11), 2, seed=0)
    assert sorted(fit.centroids[:, 0]) == [0.5, 10.5]
    assert fit.centroids[fit.assignment, 0].tolist() == [0.5, 0.5, 10.5, 10.5]
    assert fit.distance.tolist() == [0.5] * 4
    assert fit.inertia == 1.0


@settings(deadline=None, max_examples=80)
@given(
    n=st.integers(1, 150),
    k=st.integers(1, 40),
    d=st.integers(1, 8),
    kind=POOLS,
    apart=st.booleans(),
    mostly=st.sampled_from([0, 0.5, 0.9, 1]),
    n_iters=st.sampled_from([0, 1, 2, 5, 300]),
    seed=st.integers(0, 10**6),
)
def test_it_is_lloyds_algorithm_with_every_distance(n, k, d, kind, apart, mostly, n_iters, seed):
    points = random_pool(seed, n, d, kind)
    init = points[np.random.default_rng(seed).integers(0, n, k)].astype(np.float32)
    init[:1] += np.float32(50 * apart)  # a centroid that may get no point
    centroids, nearest, squared, number = lloyd(points, init, n_iters)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOSTLY", mostly)
        fit = kmeans(points, k, init=init, n_iters=n_iters, resources=ONE)
    used = np.unique(nearest)
    np.testing.assert_allclose(fit.centroids, centroids[used], atol=1e-5)
    assert used[fit.assignment].tolist() == nearest.tolist()
    assert fit.n_iters == number
    np.testing.assert_allclose(fit.distance, np.sqrt(squared), rtol=1e-6)
    assert fit.inertia == pytest.approx(squared.sum(), rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(2, 200),
    k=st.integers(2, 40),
    d=st.sampled_from([1, 2, 5, 60]),
    kind=POOLS,
    mostly=st.sampled_from([0, 0.9, 1]),
    seed=st.integers(0, 10**6),
)
def test_what_is_known_of_each_point_holds_after_every_iteration(n, k, d, kind, mostly, seed):
    points = random_pool(seed, n, d, kind)
    rng = np.random.default_rng(seed)
    blocks = Blocks(points, ONE)
    state = State.of(n, ONE)
    centroids = points[rng.integers(0, n, k)].astype(np.float32)
    with pytest.MonkeyPatch.context() as patch, blocks.working():
        patch.setattr(module, "MOSTLY", mostly)
        assign_blocks(blocks, centroids, state)
        iterations = _Lloyd(blocks, centroids, state)
        for _ in range(12):
            if not iterations.move():
                break
            iterations.look()
            exact = np.sqrt(brute_force(points, iterations.centroids))
            np.testing.assert_allclose(state.distance, exact.min(axis=1), rtol=1e-6)
            assert state.nearest.tolist() == np.square(exact).argmin(axis=1).tolist() or kind != "mixture"
            assert iterations.counts.tolist() == np.bincount(state.nearest, minlength=k).tolist()
            exact[np.arange(n), state.nearest] = np.inf
            assert (state.others <= exact.min(axis=1)).all()


def test_of_24000_points_of_mixed_norms_each_is_with_its_nearest_of_300_centroids_after_every_iteration():
    """A point that is not looked at again is nearer to its centroid to the last bit, not to a thousandth."""
    rng = np.random.default_rng(1)
    n, d = 24_000, 4
    centres = rng.normal(size=(150, d)) * rng.uniform(0.1, 10, size=(150, 1))
    noise = rng.normal(size=(n, d)) * rng.uniform(0.05, 2, size=(n, 1))
    points = (centres[rng.integers(0, 150, n)] + noise).astype(np.float32)
    wide = points.astype(np.float64)
    blocks, state = Blocks(points, ONE), State.of(n, ONE)
    with blocks.working():
        iterations = _Lloyd(blocks, seed_blocks(blocks, 300, state, seed=0), state)
        n_spared = 0
        for _ in range(24):
            n_spared += iterations.move() <= module.MOSTLY * 300
            iterations.look()
            centroids = iterations.centroids.astype(np.float64)
            half = np.square(centroids).sum(axis=1) / 2
            nearest = [(half - wide[rows : rows + 1000] @ centroids.T).argmin(axis=1) for rows in range(0, n, 1000)]
            assert np.array_equal(state.nearest, np.concatenate(nearest))
    assert n_spared > 8


def test_points_far_longer_than_the_centroids_go_to_the_nearest_when_a_few_of_these_move():
    """The score of a point's own centroid comes from |x|^2, whose rounding is larger than all the scores differ by."""
    rng = np.random.default_rng(0)
    long = rng.normal(size=(400, 8))
    long *= 1e4 / np.linalg.norm(long, axis=1, keepdims=True)
    points = np.concatenate([long, -long]).astype(np.float32)
    centroids = (rng.normal(size=(40, 8)) * 1e-3).astype(np.float32)
    blocks, state = Blocks(points, ONE), State.of(800, ONE)
    with blocks.working():
        assign_blocks(blocks, centroids, state)
        iterations = _Lloyd(blocks, centroids.copy(), state)
        iterations.moved = np.arange(40) % 4 == 0
        iterations.centroids[iterations.moved] *= np.float32(1.3)
        assert iterations.look() > 20
    assert state.nearest.tolist() == brute_force(points, iterations.centroids).argmin(axis=1).tolist()


def test_an_empty_cluster_moves_to_the_farthest_point_and_the_next_to_the_next():
    points = column(0, 2, 10, 30, 11)
    moved = kmeans(points, 4, init=column(1, 99, 10, -99), n_iters=1)
    # 1 keeps 0 and 2; 10 has 10, 11, 30 and moves to their mean 17; 99 moves to 30, the farthest; -99 to the tie 0
    assert moved.centroids[:, 0].tolist() == [1, 30, 17, 0]
    assert moved.assignment.tolist() == [3, 0, 2, 1, 2]


def test_of_points_equally_far_the_lowest_row_gets_the_empty_cluster():
    for points, first in ((column(-4, 4, 0), -4), (column(0, 4, -4), 4)):
        assert kmeans(points, 2, init=column(0, 99), n_iters=1).centroids[:, 0].tolist() == [0, first]


def test_an_empty_cluster_never_moves_to_a_point_that_has_a_centroid():
    fit = kmeans(column(5, 5, 5), 3, init=column(5, 7, 9), n_iters=20)
    assert (fit.centroids.tolist(), fit.n_iters) == ([[5.0]], 0)
    fit = kmeans(column(5, 5, 6), 3, init=column(5, 70, 90), n_iters=20)
    assert sorted(fit.centroids.tolist()) == [[5.0], [6.0]]


def test_the_clusters_that_stay_keep_their_order_when_empty_ones_are_dropped():
    fit = fitted(column(5, 6, 7, 8), np.array([3, 1, 3], dtype=np.int32), np.zeros(3, np.float32), 4)
    assert (fit.centroids.tolist(), fit.assignment.tolist(), fit.n_iters) == ([[6.0], [8.0]], [1, 0, 1], 4)


def test_without_iterations_the_centroids_are_those_given():
    init = column(1, 40, 9)
    fit = kmeans(column(0, 2, 10), 3, init=init, n_iters=0)
    assert (fit.centroids[:, 0].tolist(), fit.assignment.tolist()) == ([1, 9], [0, 0, 1])
    assert (fit.distance.tolist(), fit.inertia, fit.n_iters) == ([1, 1, 1], 3.0, 0)
    assert init[:, 0].tolist() == [1, 40, 9]


def test_seeding_adds_the_centroids_that_are_not_given():
    points = np.repeat(column(0, 100, 200, 300), 10, axis=0) + np.arange(40, dtype=np.float32)[:, None] % 10 / 10
    for seed in range(5):
        fit = kmeans(points, 4, seed=seed, init=column(305, 2))
        assert sorted(fit.centroids[:, 0].round(2).tolist()) == pytest.approx([0.45, 100.45, 200.45, 300.45])
        assert fit.centroids[:2, 0].tolist() == pytest.approx([300.45, 0.45])


@settings(deadline=None, max_examples=25)
@given(distinct=st.integers(1, 12), copies=st.integers(1, 6), surplus=st.integers(0, 9), seed=st.integers(0, 10**6))
def test_fewer_distinct_points_than_clusters_give_one_centroid_each(distinct, copies, surplus, seed):
    rng = np.random.default_rng(seed)
    unique = rng.permutation(200)[:distinct].astype(np.float32)[:, None] / 7 - 11
    points = rng.permutation(np.repeat(np.hstack([unique, -unique]), copies, axis=0))
    for init in (None, points[:1] + 1):
        fit = kmeans(points, distinct + surplus, seed=seed, init=init)
        assert len(fit.centroids) == distinct
        np.testing.assert_allclose(fit.centroids[fit.assignment], points, atol=1e-6)
    assert kmeans(points, distinct + surplus, seed=seed).inertia == pytest.approx(0, abs=1e-8)


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 120), k=st.integers(1, 30), d=st.integers(1, 6), seed=st.integers(0, 10**6))
def test_at_convergence_points_are_with_their_nearest_centroid_and_centroids_are_means(n, k, d, seed):
    points = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    fit = kmeans(points, k, seed=seed, n_iters=500, resources=ONE)
    assert np.bincount(fit.assignment).min() >= 1
    assert len(fit.centroids) == fit.assignment.max() + 1 == min(n, k)
    means = [points[fit.assignment == c].mean(axis=0) for c in range(len(fit.centroids))]
    np.testing.assert_allclose(fit.centroids, means, atol=1e-5)
    np.testing.assert_allclose(fit.distance, np.sqrt(brute_force(points, fit.centroids).min(axis=1)), atol=1e-5)


@pytest.mark.parametrize("outlier", [1e3, 1e8, 1e12])
def test_one_point_far_away_leaves_the_means_of_the_others_as_they_are(outlier: float):
    near = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    near[:150, 0] += 20
    points = np.concatenate([near, np.full((1, 3), outlier, np.float32)])
    fit = kmeans(points, 3, init=points[[0, 299, 300]])
    assert fit.assignment.tolist() == [0] * 150 + [1] * 150 + [2]
    np.testing.assert_allclose(fit.centroids[:2], [near[:150].mean(axis=0), near[150:].mean(axis=0)], atol=1e-4)


def test_a_coordinate_that_is_large_and_alike_in_all_hides_no_other():
    points = np.stack([np.full(40, 1e6), np.repeat([0, 1e-4, 3e-4, 9e-4], 10)], axis=1).astype(np.float32)
    fit = kmeans(points, 4, seed=0)
    np.testing.assert_allclose(np.sort(fit.centroids[:, 1]), [0, 1e-4, 3e-4, 9e-4], atol=1e-6)


def test_points_that_differ_by_less_than_a_square_can_show_end_the_seeding():
    points = np.array([[1, 0], [1, 1e-30], [1, 0], [2, 0]], dtype=np.float32)
    fit = kmeans(points, 4, seed=0)
    assert fit.inertia == pytest.approx(0, abs=1e-12)
    assert 2 <= len(fit.centroids) <= 3


def test_float16_points_whose_sums_overflow_float16_have_the_right_mean():
    points = np.repeat(np.array([[60_000, 2.0], [-60_000, 2.0]], dtype=np.float16), 500, axis=0)
    fit = kmeans(points, 2, seed=0)
    assert sorted(fit.centroids.tolist()) == [[-60_000, 2], [60_000, 2]]


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


def pool(dtype: type = np.float16) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(60, 6))[rng.integers(0, 60, 4000)] * 4 + rng.normal(size=(4000, 6))).astype(dtype)


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


def test_progress_hears_of_every_iteration_until_nothing_moves():
    heard: list[Iteration] = []
    fit = kmeans(pool(), 40, seed=0, progress=heard.append)
    assert [iteration.number for iteration in heard] == list(range(fit.n_iters + 1))
    inertia = [iteration.inertia for iteration in heard]
    assert inertia == sorted(inertia, reverse=True)
    assert heard[-1].inertia == fit.inertia
    assert heard[-1].n_changed <= heard[1].n_changed < 4000
    assert heard[0].n_moved == 40


def test_read_only_points_are_accepted_and_left_alone():
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    before = points.tobytes()
    points.flags.writeable = False
    init = points[:3]
    kmeans(points, 5, seed=0, init=init)
    assert points.tobytes() == before


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_point_that_is_not_finite_is_named(bad: float):
    points = np.ones((3000, 4), dtype=np.float32)
    points[[1700, 2900], 2] = bad
    for init in (None, np.zeros((2, 4), np.float32)):
        with pytest.raises(ValueError, match="points: row 1700 is not finite"):
            kmeans(points, 3, seed=0, init=init)


def test_bad_calls_are_refused():
    points = np.zeros((3, 2), dtype=np.float32)
    with pytest.raises(ValueError, match="n_clusters: expected at least 1, got 0"):
        kmeans(points, 0, seed=0)
    with pytest.raises(ValueError, match="n_iters: expected at least 0, got -1"):
        kmeans(points, 1, seed=0, n_iters=-1)
    with pytest.raises(ValueError, match="points: expected float16 or float32"):
        kmeans(points.astype(np.float64), 1, seed=0)
    with pytest.raises(ValueError, match="points: expected"):
        kmeans(points[:0], 1, seed=0)
    with pytest.raises(ValueError, match=r"centroids: expected shape \(k >= 1, 2\)"):
        kmeans(points, 3, init=points[:, :1])
    with pytest.raises(ValueError, match="n_clusters: expected at least 3, got 2"):
        kmeans(points, 2, init=points)
    with pytest.raises(ValueError, match="centroids: row 2 is not finite"):
        kmeans(points, 3, init=np.array([[0, 0], [1, 1], [np.inf, 0]], dtype=np.float32))
