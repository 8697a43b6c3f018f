"""k-means: what it finds, of what pools, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kmeans_twin import ONE, POOLS, brute_force, column, lloyd, pool, random_pool

from windrow.tasks.algorithms.clustering import kmeans as module
from windrow.tasks.algorithms.clustering.kmeans import Iteration, fitted, kmeans


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


def test_progress_hears_of_every_iteration_until_nothing_moves():
    heard: list[Iteration] = []
    fit = kmeans(pool(), 40, seed=0, progress=heard.append)
    assert [iteration.number for iteration in heard] == list(range(fit.n_iters + 1))
    inertia = [iteration.inertia for iteration in heard]
    assert inertia == sorted(inertia, reverse=True)
    assert heard[-1].inertia == fit.inertia
    assert heard[-1].n_changed <= heard[1].n_changed < 4000
    assert heard[0].n_moved == 40


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
