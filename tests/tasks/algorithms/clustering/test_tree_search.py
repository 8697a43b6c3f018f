from __future__ import annotations

import numpy as np
import pytest

from windrow.tasks.algorithms.clustering import hierarchy
from windrow.tasks.algorithms.clustering.hierarchy import hierarchical_kmeans
from windrow.tasks.algorithms.clustering.kmeans import kmeans
from windrow.tasks.algorithms.clustering.nearest import assign
from windrow.tasks.algorithms.clustering.points import Resources
from windrow.tasks.algorithms.clustering.split_kmeans import split_kmeans
from windrow.tasks.algorithms.clustering.tree_search import assign_by_tree


def mixture(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(50, d))[rng.integers(0, 50, n)] + rng.normal(size=(n, d)) / 2).astype(np.float32)


def test_the_more_groups_are_searched_the_more_points_find_their_nearest_centroid():
    points, centroids = mixture(3000), mixture(1500, seed=1)
    exact, _ = assign(points, centroids)
    recall = [np.mean(assign_by_tree(points, centroids, n_probe=n)[0] == exact) for n in (1, 2, 4, 8, 15)]
    assert recall == sorted(recall)
    assert recall[0] < 0.95
    assert recall[3] > 0.98
    assert recall[-1] == 1  # all of the groups


def test_distances_are_those_to_the_centroid_found_and_never_below_the_nearest():
    points, centroids = mixture(1000), mixture(700, seed=1)
    found, distance = assign_by_tree(points, centroids, n_probe=1)
    np.testing.assert_allclose(distance, np.linalg.norm(points - centroids[found], axis=1), rtol=1e-5)
    assert (distance >= assign(points, centroids)[1] - 1e-6).all()


def test_one_thread_and_three_search_alike():
    points, centroids = mixture(2000), mixture(700, seed=1)
    one, three = (assign_by_tree(points, centroids, resources=Resources(n_threads=n)) for n in (1, 3))
    assert one[0].tobytes() == three[0].tobytes()
    assert one[1].tobytes() == three[1].tobytes()


def test_two_steps_make_as_many_clusters_and_nearly_as_good_ones():
    points = mixture(6000)
    centroids = split_kmeans(points, 1000, seed=0)
    assert centroids.shape == (1000, 16)
    flat = kmeans(points, 1000, seed=0).inertia
    split = float(np.square(assign(points, centroids)[1], dtype=np.float64).sum())
    assert flat < split < 1.1 * flat


def test_two_steps_are_the_same_on_one_thread_and_on_three():
    points = mixture(2000)
    one, three = (split_kmeans(points, 300, seed=0, resources=Resources(n_threads=n)) for n in (1, 3))
    assert one.tobytes() == three.tobytes()


def test_two_steps_over_few_distinct_points_make_one_cluster_of_each():
    points = np.repeat(mixture(40), 20, axis=0)
    assert len(split_kmeans(points, 400, seed=0)) == 40


def test_a_hierarchy_with_a_level_beyond_the_limit_is_still_a_tree(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hierarchy, "EXACT_UP_TO", 200)
    points = mixture(4000)
    made = hierarchical_kmeans(points, (500, 50), n_rounds=1, seed=0)
    assert len(made.levels[1].centroids) == 50
    assert 480 <= len(made.levels[0].centroids) <= 500
    assert made.levels[0].sizes.sum() == 4000
    nearest, _ = assign(points, made.levels[0].centroids)
    assert np.mean(nearest == made.paths[:, 0]) > 0.95
