"""What k-means knows of a point that it does not look at again holds to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kmeans_twin import ONE, POOLS, brute_force, random_pool

from windrow.tasks.algorithms.clustering import kmeans as module
from windrow.tasks.algorithms.clustering.blocks import Blocks
from windrow.tasks.algorithms.clustering.kmeans import _Lloyd
from windrow.tasks.algorithms.clustering.nearest import State, assign_blocks
from windrow.tasks.algorithms.clustering.seeding import seed_blocks


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
