from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.clustering.drift import measure_drift
from windrow.tasks.algorithms.clustering.frozen_tree import (
    FAR,
    MANY,
    FrozenTree,
    Seen,
    freeze,
    place,
    share_unchanged,
)
from windrow.tasks.algorithms.clustering.points import Resources, Taken


def small_tree() -> FrozenTree:
    """Four clusters on a line, two and two below two more, at -10 and 10."""
    finest = np.array([[-11], [-9], [9], [11]], np.float32)
    coarse = np.array([[-10], [10]], np.float32)
    parents = (np.array([0, 0, 1, 1], np.int32),)
    return freeze((finest, coarse), parents, np.repeat(np.arange(4, dtype=np.int32), 5), np.ones(20, np.float32))


def random_tree(seed: int, sizes: tuple[int, ...], d: int) -> FrozenTree:
    """Centroids and parents at random: the parents need not be the nearest."""
    rng = np.random.default_rng(seed)
    centroids = tuple(rng.integers(-3, 4, size=(k, d)).astype(np.float32) for k in sizes)
    parents = tuple(rng.integers(0, above, below).astype(np.int32) for below, above in pairwise(sizes))
    return freeze(centroids, parents, np.arange(sizes[0], dtype=np.int32), np.ones(sizes[0], np.float32))


def test_a_sample_goes_to_the_nearest_finest_cluster_and_to_that_ones_parent():
    placed = place(np.array([[-12], [-9.5], [1], [100]], np.float32), small_tree())
    assert placed.paths.tolist() == [[0, 0], [1, 0], [2, 1], [3, 1]]
    assert placed.distance.tolist() == [1, 0.5, 8, 89]


def test_a_sample_between_two_clusters_goes_to_the_lower_number():
    assert place(np.array([[-10], [0], [10]], np.float32), small_tree()).paths.tolist() == [[0, 0], [1, 0], [2, 1]]


def test_the_path_follows_the_tree_even_where_another_coarse_cluster_is_nearer():
    tree = replace(small_tree(), parents=(np.array([0, 1, 1, 1], np.int32),))
    assert place(np.array([[-9]], np.float32), tree).paths.tolist() == [[1, 1]]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    n=st.integers(1, 40),
    d=st.integers(1, 5),
    sizes=st.sampled_from([(1,), (7,), (12, 3), (20, 6, 2)]),
    dtype=st.sampled_from([np.float16, np.float32]),
)
def test_placing_is_what_comparing_with_every_centroid_gives(
    seed: int, n: int, d: int, sizes: tuple[int, ...], dtype: type
):
    tree = random_tree(seed, sizes, d)
    points = np.random.default_rng(seed + 1).integers(-4, 5, size=(n, d)).astype(dtype)  # whole numbers: many ties
    placed = place(points, tree)
    squared = np.square(points[:, None].astype(np.float64) - tree.centroids[0]).sum(axis=2)
    expected = [squared.argmin(axis=1)]
    for parents in tree.parents:
        expected.append(parents[expected[-1]])
    assert placed.paths.dtype == np.int32
    assert np.array_equal(placed.paths, np.stack(expected, axis=1))
    np.testing.assert_allclose(placed.distance, np.sqrt(squared.min(axis=1)), rtol=1e-6)
    assert [len(level.centroids) for level in placed.levels] == list(sizes)
    assert [int(level.n_samples.sum()) for level in placed.levels] == [n] * len(sizes)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_the_order_and_the_company_of_samples_make_no_difference(seed: int):
    tree = random_tree(seed, (15, 4), 3)
    rng = np.random.default_rng(seed + 1)
    points = rng.normal(size=(30, 3)).astype(np.float32)
    order = rng.permutation(30)
    placed, shuffled, part = place(points, tree), place(points[order], tree), place(points[10:13], tree)
    assert shuffled.paths.tobytes() == placed.paths[order].tobytes()
    assert shuffled.distance.tobytes() == placed.distance[order].tobytes()
    assert part.paths.tobytes() == placed.paths[10:13].tobytes()
    assert part.distance.tobytes() == placed.distance[10:13].tobytes()


def test_one_thread_and_three_and_a_choice_of_rows_place_alike():
    tree = random_tree(0, (40, 9), 4)
    points = np.random.default_rng(1).normal(size=(5000, 4)).astype(np.float32)
    rows = np.arange(0, 5000, 3)
    one, three = (place(points, tree, Resources(n_threads=n)) for n in (1, 3))
    taken = place(Taken(points, rows), tree)
    assert one.paths.tobytes() == three.paths.tobytes()
    assert one.distance.tobytes() == three.distance.tobytes()
    assert taken.paths.tobytes() == one.paths[rows].tobytes()


def test_a_sample_that_is_not_finite_is_refused_by_its_row():
    points = np.array([[0], [1], [np.nan]], np.float32)
    with pytest.raises(ValueError, match=r"\b2\b"):
        place(points, small_tree())


def test_the_percentile_is_of_its_own_from_many_members_on_and_pooled_below():
    def far(n: int) -> float:
        distance = np.concatenate([np.linspace(0, 1, n), np.linspace(2, 12, 50)]).astype(np.float32)
        return float(freeze(
            (np.zeros((2, 1), np.float32),), (), np.repeat(np.array([0, 1], np.int32), [n, 50]), distance
        ).far[0])  # fmt: skip

    assert far(MANY) == pytest.approx(np.quantile(np.linspace(0, 1, MANY), FAR) * MANY / (MANY - 1), rel=1e-5)
    over_mean = np.concatenate([np.linspace(0, 1, MANY - 1) / 0.5, np.linspace(2, 12, 50) / 7])
    expected = 0.5 * (MANY - 1) / (MANY - 2) * np.quantile(over_mean, FAR)
    assert far(MANY - 1) == pytest.approx(expected, rel=1e-5)


def test_the_samples_a_tree_was_made_of_do_not_drift_from_it():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(size=(400, 3)) - 20, rng.normal(size=(400, 3)) + 20]).astype(np.float32)
    centroids = np.stack([points[:400].mean(axis=0), points[400:].mean(axis=0)])
    cluster = np.repeat(np.array([0, 1], np.int32), 400)
    first = place(points, freeze((centroids,), (), cluster, np.zeros(800, np.float32)))
    assert np.array_equal(first.paths[:, 0], cluster)
    tree = freeze((centroids,), (), cluster, first.distance)
    seen = place(points[::2], tree)
    drift = measure_drift(points[::2], seen.paths[:, 0], seen.distance, tree)
    assert drift.reasons == ()
    assert drift.share_far <= 0.02
    assert drift.mean_distance == pytest.approx(drift.expected_distance, rel=0.05)


def test_the_share_unchanged_counts_samples_whose_number_is_the_same():
    before, after = np.array([0, 0, 1, 2], np.int32), np.array([0, 1, 1, 0], np.int32)
    assert share_unchanged(before, after) == 0.5
    assert share_unchanged(before, before) == 1
    assert np.isnan(share_unchanged(before[:0], after[:0]))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**16), n=st.integers(1, 40), d=st.integers(1, 5), share=st.floats(0, 1))
def test_points_that_were_seen_stay_as_they_were_placed_and_the_others_come_to_the_same_tree(
    seed: int, n: int, d: int, share: float
):
    tree, rng = random_tree(seed, (12, 3), d), np.random.default_rng(seed + 1)
    points = rng.integers(-4, 5, size=(n, d)).astype(np.float16)
    whole = place(points, tree)
    rows = np.flatnonzero(rng.random(n) < share)
    placed = place(points, tree, seen=Seen(rows, whole.paths[rows, 0], whole.distance[rows]))
    assert placed.paths.tolist() == whole.paths.tolist()
    assert placed.distance.tobytes() == whole.distance.tobytes()
    assert [level.n_samples.tolist() for level in placed.levels] == [level.n_samples.tolist() for level in whole.levels]
