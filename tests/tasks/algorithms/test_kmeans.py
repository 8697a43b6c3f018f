from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.host_search import TILE
from windrow.tasks.algorithms.kmeans import kmeans
from windrow.tasks.algorithms.nearest import assign
from windrow.tasks.algorithms.seeding import kmeans_plus_plus


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small products gain nothing from threads, and threads that spin lose much on a shared machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)[:, None]


def test_two_pairs_on_a_line_become_two_clusters():
    fit = kmeans(column(0, 1, 10, 11), 2, seed=0)
    assert sorted(fit.centroids[:, 0]) == [0.5, 10.5]
    assert fit.centroids[fit.assignment, 0].tolist() == [0.5, 0.5, 10.5, 10.5]
    assert fit.distance.tolist() == [0.5] * 4
    assert fit.inertia == 1.0


def test_a_tie_goes_to_the_lowest_centroid_also_across_tiles():
    assert assign(column(0), column(1, -1))[0].tolist() == [0]
    assignment, squared = assign(column(3), np.full((TILE + 50, 1), 3, dtype=np.float32))
    assert (assignment.tolist(), squared.tolist()) == ([0], [0.0])


@settings(deadline=None, max_examples=30)
@given(n=st.integers(1, 70), k=st.integers(1, 40), d=st.integers(1, 20), half=st.booleans(), seed=st.integers(0, 10**6))
def test_assign_agrees_with_every_distance_in_float64(n: int, k: int, d: int, half: bool, seed: int):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, d)).astype(np.float16 if half else np.float32)
    centroids = rng.normal(size=(k, d)).astype(np.float32)
    exact = np.square(points[:, None].astype(np.float64) - centroids.astype(np.float64)).sum(axis=2)
    assignment, distance = assign(points, centroids)
    squared = np.square(distance)
    assert (assignment.dtype, distance.dtype) == (np.int32, np.float32)
    np.testing.assert_allclose(squared, exact[np.arange(n), assignment], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(squared, exact.min(axis=1), rtol=1e-4, atol=1e-5)


def test_more_centroids_than_a_tile_are_all_considered():
    points = np.random.default_rng(0).permutation(TILE + 300).astype(np.float32)[:, None]
    assert np.array_equal(assign(points, np.sort(points, axis=0))[0], points[:, 0].astype(np.int32))


def test_points_far_from_the_origin_keep_their_distances():
    rng = np.random.default_rng(0)
    points = rng.integers(0, 64, size=(200, 8)).astype(np.float32) + np.float32(100_000)
    centroids = points[:20] + np.float32(0.5)
    exact = np.square(points[:, None].astype(np.float64) - centroids).sum(axis=2)
    assert np.array_equal(assign(points, centroids)[1], np.sqrt(exact.min(axis=1)).astype(np.float32))


@settings(deadline=None, max_examples=25)
@given(distinct=st.integers(1, 12), copies=st.integers(1, 6), surplus=st.integers(0, 9), seed=st.integers(0, 10**6))
def test_fewer_distinct_points_than_clusters_give_one_centroid_each(distinct, copies, surplus, seed):
    rng = np.random.default_rng(seed)
    unique = rng.permutation(200)[:distinct].astype(np.float32)[:, None] / 7 - 11
    points = rng.permutation(np.repeat(np.hstack([unique, -unique]), copies, axis=0))
    fit = kmeans(points, distinct + surplus, seed=seed)
    assert len(fit.centroids) == distinct
    assert fit.inertia == 0
    assert np.array_equal(fit.centroids[fit.assignment], points)


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 120), k=st.integers(1, 30), d=st.integers(1, 6), seed=st.integers(0, 10**6))
def test_at_convergence_points_are_with_their_nearest_centroid_and_centroids_are_means(n, k, d, seed):
    points = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    fit = kmeans(points, k, seed=seed, n_iters=500)
    assert np.bincount(fit.assignment).min() >= 1
    assert len(fit.centroids) == fit.assignment.max() + 1 == min(n, k)
    means = [points[fit.assignment == c].mean(axis=0) for c in range(len(fit.centroids))]
    np.testing.assert_allclose(fit.centroids, means, atol=1e-5)
    every = np.linalg.norm(points[:, None] - fit.centroids, axis=2)
    np.testing.assert_allclose(fit.distance, every.min(axis=1), atol=1e-5)
    assert fit.inertia == pytest.approx(np.square(fit.distance, dtype=np.float64).sum(), rel=1e-5)


def test_float16_points_whose_sums_overflow_float16_have_the_right_mean():
    points = np.repeat(np.array([[60_000, 2.0], [-60_000, 2.0]], dtype=np.float16), 500, axis=0)
    fit = kmeans(points, 2, seed=0)
    assert sorted(fit.centroids.tolist()) == [[-60_000, 2], [60_000, 2]]


def test_the_same_seed_gives_the_same_bytes_on_one_thread_and_on_two():
    points = np.random.default_rng(0).normal(size=(1503, 24)).astype(np.float32)
    one = kmeans(points, 97, seed=3)
    torch.set_num_threads(2)
    two = kmeans(points, 97, seed=3)
    torch.set_num_threads(1)
    assert one.centroids.tobytes() == two.centroids.tobytes()
    assert one.assignment.tobytes() == two.assignment.tobytes()
    assert kmeans(points, 97, seed=4).centroids.tobytes() != one.centroids.tobytes()


def test_read_only_points_are_accepted_and_left_alone():
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    before = points.tobytes()
    points.flags.writeable = False
    kmeans(points, 5, seed=0)
    assert points.tobytes() == before


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_point_that_is_not_finite_is_named(bad):
    points = np.ones((3000, 4), dtype=np.float32)
    points[[1700, 2900], 2] = bad
    for call in (lambda: kmeans(points, 3, seed=0), lambda: assign(points, points[:2])):
        with pytest.raises(ValueError, match="points: row 1700 is not finite"), np.errstate(invalid="ignore"):
            call()


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
        assign(points, points[:, :1])


def chosen_sets(values: np.ndarray, k: int) -> dict[frozenset[int], float]:
    """Probability of every set of greedy k-means++ centroids, by summing over all that could be drawn."""
    squared, n_candidates = np.square(values[:, None] - values), 2 + int(np.log(k))
    sets = {frozenset([i]): 1 / len(values) for i in range(len(values))}
    for _ in range(k - 1):
        following: Counter[frozenset[int]] = Counter()
        for chosen, probability in sets.items():
            closest = squared[list(chosen)].min(axis=0)
            potential = np.minimum(squared, closest).sum(axis=1)
            share = closest / closest.sum()
            for row in np.flatnonzero(share):
                # every draw is this good or worse, not all are worse; of those as good, the first drawn is kept
                as_good = share[potential == potential[row]].sum()
                worse = share[potential > potential[row]].sum()
                wins = (as_good + worse) ** n_candidates - worse**n_candidates
                following[chosen | {int(row)}] += probability * wins * share[row] / as_good
        sets = dict(following)
    return sets


def test_seeds_follow_the_exact_distribution_of_greedy_k_means_plus_plus():
    values = np.array([0, 3, 8, 12, 20, 27, 31, 43])  # whole numbers and a whole mean: equal potentials are equal
    expected = chosen_sets(values, 6)
    n_seeds = 2000
    points = values.astype(np.float32)[:, None]
    seen: Counter[frozenset[int]] = Counter()
    for seed in range(n_seeds):
        centroids = kmeans_plus_plus(points, 6, seed=seed)
        seen[frozenset(np.abs(points - centroids.T).argmin(axis=0).tolist())] += 1
    every = [frozenset(rows) for rows in combinations(range(len(values)), 6)]
    assert set(seen) <= set(every)
    assert sum(expected.values()) == pytest.approx(1)
    # two samples of this size from one distribution differ by 0.01 to 0.04 in total variation
    assert sum(abs(seen[rows] / n_seeds - expected.get(rows, 0)) for rows in every) / 2 < 0.05


def test_greedy_seeding_starts_lloyd_lower_than_points_drawn_uniformly():
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(40, 8))[rng.integers(40, size=2000)] * 10 + rng.normal(size=(2000, 8))).astype("float32")
    seeded = np.mean([np.square(assign(points, kmeans_plus_plus(points, 40, seed=seed))[1]).sum() for seed in range(3)])
    uniform = np.mean([np.square(assign(points, points[rng.permutation(2000)[:40]])[1]).sum() for _ in range(3)])
    assert seeded < uniform / 3
