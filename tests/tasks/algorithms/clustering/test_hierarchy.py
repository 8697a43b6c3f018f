from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.clustering import points as blocks_of_points
from windrow.tasks.algorithms.clustering.hierarchy import hierarchical_kmeans, resample
from windrow.tasks.algorithms.clustering.points import Resources
from windrow.tasks.algorithms.selection.balance import normalised_entropy
from windrow.tasks.algorithms.selection.ranking import rank


def normal(n: int, d: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_two_levels_on_a_line():
    points = np.array([0, 1, 10, 11, 100, 101, 110, 111], dtype=np.float32)[:, None]
    tree = hierarchical_kmeans(points, (4, 2), n_resamples=(2, 2), n_rounds=2, seed=0)
    fine, coarse = (level.centroids[:, 0] for level in tree.levels)
    assert fine[tree.paths[:, 0]].tolist() == [0.5, 0.5, 10.5, 10.5, 100.5, 100.5, 110.5, 110.5]
    assert coarse[tree.paths[:, 1]].tolist() == [5.5] * 4 + [105.5] * 4
    assert tree.distance.tolist() == [0.5] * 8
    assert [level.inertia for level in tree.levels] == [2.0, 100.0]
    assert [level.sizes.tolist() for level in tree.levels] == [[2] * 4, [2] * 2]
    assert [level.n_samples.tolist() for level in tree.levels] == [[2] * 4, [4] * 2]


@settings(deadline=None, max_examples=15)
@given(
    n=st.integers(1, 150),
    n_rounds=st.integers(0, 2),
    sampling=st.sampled_from(["closest", "uniform"]),
    seed=st.integers(0, 10**6),
)
def test_every_level_partitions_the_one_below_and_samples_go_to_the_nearest_centroid(n, n_rounds, sampling, seed):
    points = normal(n, seed=seed)
    tree = hierarchical_kmeans(points, (30, 8, 3), n_rounds=n_rounds, sampling=sampling, seed=seed)
    below, items = n, points
    for number, level in enumerate(tree.levels):
        assert level.assignment.shape == (below,)
        assert np.array_equal(level.sizes, np.bincount(level.assignment, minlength=len(level.centroids)))
        assert np.array_equal(level.n_samples, np.bincount(tree.paths[:, number], minlength=len(level.centroids)))
        assert level.sizes.min() >= 1
        every = np.linalg.norm(items[:, None] - level.centroids, axis=2)
        np.testing.assert_allclose(every[np.arange(below), level.assignment], every.min(axis=1), atol=1e-5)
        below, items = len(level.centroids), level.centroids
    for number, level in enumerate(tree.levels[1:]):
        assert np.array_equal(tree.paths[:, number + 1], level.assignment[tree.paths[:, number]])
    assert (tree.paths.dtype, tree.distance.dtype) == (np.int32, np.float32)


def test_fewer_distinct_points_than_clusters_are_clustered_all_the_same():
    points = np.repeat(normal(3), 10, axis=0)
    tree = hierarchical_kmeans(points, (20, 5), n_rounds=2, seed=0)
    assert [len(level.centroids) for level in tree.levels] == [3, 3]
    assert [level.n_samples.tolist() for level in tree.levels] == [[10] * 3] * 2


def test_threads_and_the_ends_of_blocks_change_no_byte_of_a_hierarchy(monkeypatch: pytest.MonkeyPatch):
    points = normal(3000, 8)
    trees = []
    for values, n_threads in ((2**21, 1), (1, 2), (1, 3)):
        monkeypatch.setattr(blocks_of_points, "BLOCK_VALUES", values)
        resources = Resources(n_threads=n_threads, memory=0)
        trees.append(hierarchical_kmeans(points, (200, 30), n_rounds=2, seed=5, resources=resources))
    for tree in trees[1:]:
        assert tree.paths.tobytes() == trees[0].paths.tobytes()
        assert tree.distance.tobytes() == trees[0].distance.tobytes()
        assert all(
            a.centroids.tobytes() == b.centroids.tobytes() for a, b in zip(tree.levels, trees[0].levels, strict=True)
        )


def test_resampling_keeps_the_closest_members_of_every_cluster():
    assignment = np.array([1, 0, 1, 1, 0, 2], dtype=np.int32)
    distance = np.array([3, 1, 2, 2, 0, 9], dtype=np.float32)
    assert resample(assignment, distance, 2, "closest", seed=0).tolist() == [1, 2, 3, 4, 5]
    assert resample(assignment, distance, 1, "closest", seed=0).tolist() == [2, 4, 5]


def test_uniform_resampling_draws_every_member_equally_often_and_none_twice():
    assignment = np.array([0] * 5 + [1] * 2, dtype=np.int32)
    drawn = [resample(assignment, np.arange(7, dtype=np.float32), 2, "uniform", seed) for seed in range(1000)]
    assert all(len(set(rows)) == 4 for rows in drawn)
    often = np.bincount(np.concatenate(drawn)) / 1000
    np.testing.assert_allclose(often, [0.4] * 5 + [1] * 2, atol=0.05)


def test_progress_says_each_level_and_round():
    said: list[str] = []
    hierarchical_kmeans(normal(40), (10, 3), n_rounds=2, n_resamples=(1, 1), seed=0, progress=said.append)
    assert said == [
        "level 1: 40 items into 10 clusters",
        "level 1: resampling round 1 of 2 on 10 items",
        "level 1: resampling round 2 of 2 on 10 items",
        "level 2: 10 items into 3 clusters",
        "level 2: resampling round 1 of 2 on 3 items",
        "level 2: resampling round 2 of 2 on 3 items",
    ]


def test_bad_calls_are_refused():
    points = normal(10)
    for wrong in ((), (5, 5), (3, 5), (5, 0)):
        with pytest.raises(ValueError, match="n_clusters: expected"):
            hierarchical_kmeans(points, wrong, seed=0)
    with pytest.raises(ValueError, match="n_resamples: expected 2 numbers of at least 1, got \\(3,\\)"):
        hierarchical_kmeans(points, (4, 2), n_resamples=(3,), seed=0)
    with pytest.raises(ValueError, match="n_rounds: expected at least 0, got -1"):
        hierarchical_kmeans(points, (4, 2), n_rounds=-1, seed=0)
    with pytest.raises(ValueError, match="sampling: expected 'closest' or 'uniform', got 'c'"):
        hierarchical_kmeans(points, (4, 2), sampling="c", seed=0)  # type: ignore[arg-type]
    points[3, 1] = np.nan
    with pytest.raises(ValueError, match="points: row 3 is not finite"):
        hierarchical_kmeans(points, (4, 2), seed=0)


def skewed_plane(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = [
        rng.normal((-1, -1), 0.5, (7000, 2)),
        rng.normal((1, -1), 0.5, (1000, 2)),
        rng.normal((0, 1), 0.5, (500, 2)),
        rng.uniform(-3, 3, (500, 2)),
    ]
    return np.concatenate(parts).astype(np.float32)


def divergence_from_uniform(points: np.ndarray) -> float:
    """KL(Gaussian kernel density, bandwidth 0.5 || uniform) on [-3, 3]^2, the density normalised to mass 1 there."""
    grid = np.arange(-3, 3, 0.02)
    along_x, along_y = (np.exp(-np.square(grid[:, None] - points[:, axis]) / (2 * 0.5**2)) for axis in (0, 1))
    share = along_x @ along_y.T
    share /= share.sum()
    return float((share * np.log(share * share.size)).sum())


def test_more_levels_and_resampling_bring_the_centroids_closer_to_uniform():
    points = skewed_plane(seed=0)
    cases = [((300,), 0), ((1500, 300), 0), ((3000, 1000, 300), 0), ((3000, 1000, 300), 10)]
    divergence = [divergence_from_uniform(points)]
    for n_clusters, n_rounds in cases:
        tree = hierarchical_kmeans(points, n_clusters, n_resamples=[2] * len(n_clusters), n_rounds=n_rounds, seed=0)
        divergence.append(divergence_from_uniform(tree.levels[-1].centroids))
    # published: 0.942, 0.340, 0.132, 0.081, 0.042
    assert divergence == sorted(divergence, reverse=True)
    assert divergence[0] == pytest.approx(0.942, abs=0.02)
    assert divergence[1] <= 0.40
    assert divergence[2] <= 0.17
    assert divergence[3] <= 0.12
    assert divergence[4] <= 0.06


def rings(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    counts = [20000, 200, 1000, 500, 8000]
    centres = np.array([(-2.2, 1), (0, 1), (2.2, 1), (-1.2, 0.2), (1.2, 0.2)])
    ring = np.repeat(np.arange(5), counts)
    radius, angle = rng.uniform(0.7, 1.0, len(ring)), rng.uniform(0, 2 * np.pi, len(ring))
    points = centres[ring] + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points.astype(np.float32), ring


def test_a_balanced_sample_of_the_rings_is_almost_even():
    points, ring = rings(seed=0)
    tree = hierarchical_kmeans(points, (1000, 300), n_resamples=(15, 2), seed=0)
    chosen = rank(tree.paths, tree.distance, np.arange(len(points)), seed=0) <= 1000
    assert chosen.sum() == 1000
    # published 0.98; here 0.980 +- 0.002 over twelve seeds, and 0.93 to 0.94 without resampling
    assert normalised_entropy(np.bincount(ring[chosen], minlength=5)) >= 0.975
    assert normalised_entropy(np.bincount(ring, minlength=5)) == pytest.approx(0.51, abs=0.01)
