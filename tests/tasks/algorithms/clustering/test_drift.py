from __future__ import annotations

import numpy as np
import pytest

from windrow.tasks.algorithms.clustering.drift import Drift, DriftLimits, measure_drift, new_regions
from windrow.tasks.algorithms.clustering.frozen_tree import freeze, freeze_hierarchy, place, share_unchanged
from windrow.tasks.algorithms.clustering.hierarchy import Hierarchy, hierarchical_kmeans
from windrow.tasks.algorithms.clustering.nearest import assign

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(12, 16)) * 4


def samples(n: int, of: range, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (CENTRES[rng.choice(list(of), n)] + rng.normal(size=(n, 16))).astype(np.float32)


@pytest.fixture(scope="module")
def fitted() -> tuple[np.ndarray, Hierarchy]:
    points = samples(3000, range(10), seed=1)
    return points, hierarchical_kmeans(points, (300, 60, 12), n_rounds=2, seed=0)


def test_the_samples_that_a_tree_was_made_of_are_placed_where_they_were(fitted: tuple[np.ndarray, Hierarchy]):
    points, tree = fitted
    placed = place(points, freeze_hierarchy(tree))
    assert placed.paths.tobytes() == tree.paths.tobytes()
    assert placed.distance.tobytes() == tree.distance.tobytes()
    for before, after in zip(tree.levels, placed.levels, strict=True):
        assert before.n_samples.tolist() == after.n_samples.tolist()
        np.testing.assert_allclose(before.mean_distance, after.mean_distance, rtol=1e-5)


def test_new_samples_go_to_the_nearest_finest_centroid_and_clusters_without_any_stay(
    fitted: tuple[np.ndarray, Hierarchy],
):
    new = samples(40, range(2), seed=5)
    tree = fitted[1]
    placed = place(new, freeze_hierarchy(tree))
    assert placed.paths[:, 0].tolist() == assign(new, tree.levels[0].centroids)[0].tolist()
    assert np.array_equal(placed.paths[:, 1], tree.levels[1].assignment[placed.paths[:, 0]])
    assert [len(level.centroids) for level in placed.levels] == [len(level.centroids) for level in tree.levels]
    assert [int(level.n_samples.sum()) for level in placed.levels] == [40, 40, 40]
    assert placed.levels[0].n_samples.min() == 0


def test_what_new_samples_should_look_like_is_worked_out_without_each_sample_itself():
    centroids = (np.zeros((3, 1), np.float32),)
    cluster = np.array([0] * 4 + [1] * 5 + [2], np.int32)
    distance = np.array([3, 3, 3, 3, 4, 4, 4, 4, 8, 0], np.float32)
    frozen = freeze(centroids, (), cluster, distance)
    assert frozen.n_samples.tolist() == [4, 5, 1]
    # times 4 / 3 and 5 / 4; the lone sample says nothing, its cluster is taken to be like the others
    np.testing.assert_allclose(frozen.mean_distance, [4, 6, (4 * 4 + 4 * 5 + 10) / 9], rtol=1e-6)
    over_mean = np.quantile([1, 1, 1, 1, 5 / 6, 5 / 6, 5 / 6, 5 / 6, 10 / 6], 0.99)
    np.testing.assert_allclose(frozen.far, frozen.mean_distance * over_mean, rtol=1e-6)


def test_a_large_cluster_has_a_far_of_its_own():
    distance = np.concatenate([np.linspace(0, 1, 200), np.linspace(5, 6, 50)]).astype(np.float32)
    cluster = np.repeat(np.array([0, 1], np.int32), [200, 50])
    frozen = freeze((np.zeros((2, 1), np.float32),), (), cluster, distance)
    assert frozen.far[0] == pytest.approx(np.quantile(distance[:200], 0.99) * 200 / 199, rel=1e-5)
    assert frozen.far[1] == pytest.approx(np.quantile(distance[200:], 0.99) * 50 / 49, rel=1e-5)


def test_more_of_the_same_is_no_drift(fitted: tuple[np.ndarray, Hierarchy]):
    frozen = freeze_hierarchy(fitted[1])
    for seed in range(5):
        new = samples(500, range(10), seed=10 + seed)
        placed = place(new, frozen)
        drift = measure_drift(new, placed.paths[:, 0], placed.distance, frozen)
        assert not drift.refit, drift
        assert drift.share_far < 0.02
        assert drift.mean_distance == pytest.approx(drift.expected_distance, rel=0.1)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_samples_of_kinds_never_seen_are_drift_and_make_regions(fitted: tuple[np.ndarray, Hierarchy], share: float):
    frozen = freeze_hierarchy(fitted[1])
    strange = samples(int(share * 500), range(10, 12), seed=3)
    new = np.concatenate([samples(500 - len(strange), range(10), seed=4), strange])
    placed = place(new, frozen)
    drift = measure_drift(new, placed.paths[:, 0], placed.distance, frozen)
    assert drift.refit
    assert drift.share_far == pytest.approx(share, abs=0.02)
    assert 2 <= drift.n_new_regions <= 20
    assert any("far from every cluster" in reason for reason in drift.reasons)


def test_a_large_night_of_the_same_has_no_regions_by_chance():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(34_000, 4)).astype(np.float32)
    tree = hierarchical_kmeans(points[:4000], (100, 20), n_rounds=1, seed=0)
    frozen = freeze_hierarchy(tree)
    new = points[4000:]
    placed = place(new, frozen)
    crowds = new_regions(
        new,
        np.flatnonzero(placed.distance > frozen.far[placed.paths[:, 0]]),
        placed.distance,
        frozen.far[placed.paths[:, 0]],
        10,
    )
    assert crowds, "there is no crowd: the test shows nothing"
    drift = measure_drift(new, placed.paths[:, 0], placed.distance, frozen, DriftLimits(growth=100))
    assert (drift.n_new_regions, drift.refit) == (0, False)


def test_a_pool_that_has_grown_by_half_is_a_reason(fitted: tuple[np.ndarray, Hierarchy]):
    frozen = freeze_hierarchy(fitted[1])
    new = samples(1600, range(10), seed=9)
    placed = place(new, frozen)
    drift = measure_drift(new, placed.paths[:, 0], placed.distance, frozen)
    assert drift.reasons == ("1,600 new samples on 3,000 that the clusters were made of",)


def test_no_new_sample_is_no_drift(fitted: tuple[np.ndarray, Hierarchy]):
    frozen = freeze_hierarchy(fitted[1])
    nothing = np.empty(0, np.float32)
    assert measure_drift(fitted[0][:0], nothing.astype(np.int32), nothing, frozen) == Drift(0, 0, 0, 0, 0, ())


def test_regions_are_crowds_within_a_radius_from_the_farthest_on():
    points = np.array([0, 0.5, 1, 10, 10.4, 30], np.float32)[:, None]
    distance = np.array([1, 2, 3, 9, 8, 20], np.float32)
    found = new_regions(points, np.arange(6), distance, np.full(6, 1.0, np.float32), 2)
    assert [rows.tolist() for rows in found] == [[3, 4], [0, 1, 2]]
    assert new_regions(points, np.arange(6), distance, np.full(6, 0.6, np.float32), 3) == []


def test_the_order_of_the_new_samples_makes_no_difference(fitted: tuple[np.ndarray, Hierarchy]):
    frozen = freeze_hierarchy(fitted[1])
    new = np.concatenate([samples(300, range(10), seed=4), samples(60, range(10, 12), seed=3)])
    order = np.random.default_rng(0).permutation(360)
    placed, other = place(new, frozen), place(new[order], frozen)
    assert np.array_equal(placed.paths[order], other.paths)
    one, two = (
        measure_drift(points, tree.paths[:, 0], tree.distance, frozen, DriftLimits(region_size=20))
        for points, tree in ((new, placed), (new[order], other))
    )
    assert (one.share_far, one.n_new_regions) == (two.share_far, two.n_new_regions)
    assert one.mean_distance == pytest.approx(two.mean_distance, rel=1e-12)


def test_a_fit_that_starts_at_the_old_tree_keeps_most_numbers(fitted: tuple[np.ndarray, Hierarchy]):
    points, tree = fitted
    both = np.concatenate([points, samples(300, range(12), seed=8)])
    start = [level.centroids for level in tree.levels]
    warm = hierarchical_kmeans(both, (330, 60, 12), n_rounds=1, seed=1, start=start)
    fresh = hierarchical_kmeans(both, (330, 60, 12), n_rounds=1, seed=1)
    assert share_unchanged(tree.paths[:, 0], warm.paths[:3000, 0]) > 0.6
    assert share_unchanged(tree.paths[:, 2], warm.paths[:3000, 2]) > 0.9
    assert share_unchanged(tree.paths[:, 0], fresh.paths[:3000, 0]) < 0.1
