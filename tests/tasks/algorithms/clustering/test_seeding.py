from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.clustering import points as blocks_of_points
from windrow.tasks.algorithms.clustering.blocks import Blocks
from windrow.tasks.algorithms.clustering.nearest import State, assign
from windrow.tasks.algorithms.clustering.points import Resources
from windrow.tasks.algorithms.clustering.seeding import N_SAMPLED, _systematic, seed_blocks

ONE = Resources(n_threads=1)


def seeds_of(points: np.ndarray, k: int, seed: int, resources: Resources | None = None, **how: Any) -> np.ndarray:
    blocks = Blocks(points, resources or Resources())
    with blocks.working():
        return seed_blocks(blocks, k, State.of(blocks.n, blocks.resources), seed=seed, **how)


def inertia(points: np.ndarray, centroids: np.ndarray) -> float:
    return float(np.square(assign(points, centroids)[1], dtype=np.float64).sum())


def mixture(n: int, n_components: int, d: int = 8, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    weights = np.arange(1, n_components + 1) ** -1.0
    component = rng.choice(n_components, n, p=weights / weights.sum())
    return (rng.normal(size=(n_components, d))[component] * 4 + rng.normal(size=(n, d))).astype(np.float32)


def greedy(points: np.ndarray, k: int, seed: int) -> float:
    """The potential that greedy k-means++ leaves, to the letter, in float64."""
    rng, points = np.random.default_rng(seed), points.astype(np.float64)
    potential = np.square(points - points[rng.integers(len(points))]).sum(axis=1)
    for _ in range(k - 1):
        candidates = rng.choice(len(points), 2 + int(np.log(k)), p=potential / potential.sum())
        each = [np.minimum(potential, np.square(points - points[row]).sum(axis=1)) for row in candidates]
        potential = min(each, key=np.sum)
    return float(potential.sum())


def chosen_sets(values: np.ndarray, k: int, n_candidates: int) -> dict[frozenset[int], float]:
    """Probability of every set of greedy k-means++ centroids, by summing over all that could be drawn."""
    squared = np.square(values[:, None] - values)
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


def of_many_seeds(points: np.ndarray, k: int, n_seeds: int, n_candidates: int | None) -> Iterator[np.ndarray]:
    """`seeds_of` for each seed below n_seeds, the threads of the libraries being limited once for all."""
    with Blocks(points, ONE).working() as blocks:
        for seed in range(n_seeds):
            yield seed_blocks(blocks, k, State.of(blocks.n, ONE), seed=seed, n_candidates=n_candidates)


@pytest.mark.parametrize("n_candidates", [None, 1])
def test_many_seeds_get_what_each_gets_alone(n_candidates: int | None):
    points = mixture(50, 5)
    for seed, centroids in enumerate(of_many_seeds(points, 6, 20, n_candidates)):
        alone = seeds_of(points, 6, seed=seed, n_candidates=n_candidates, resources=ONE)
        np.testing.assert_array_equal(centroids, alone)


@pytest.mark.parametrize("n_candidates", [None, 1])
def test_seeds_follow_the_exact_distribution_of_k_means_plus_plus(n_candidates: int | None):
    values = np.array([0, 3, 8, 12, 20, 27, 31, 43])  # whole numbers and a whole mean: equal potentials are equal
    expected = chosen_sets(values, 6, n_candidates or 2 + int(np.log(6)))
    n_seeds = 2000
    points = values.astype(np.float32)[:, None]
    seen: Counter[frozenset[int]] = Counter()
    for centroids in of_many_seeds(points, 6, n_seeds, n_candidates):
        seen[frozenset(np.abs(points - centroids.T).argmin(axis=0).tolist())] += 1
    every = [frozenset(rows) for rows in combinations(range(len(values)), 6)]
    assert set(seen) <= set(every)
    assert sum(expected.values()) == pytest.approx(1)
    # two samples of this size from one distribution differ by 0.01 to 0.04 in total variation
    assert sum(abs(seen[rows] / n_seeds - expected.get(rows, 0)) for rows in every) / 2 < 0.05


def test_the_second_of_two_plain_seeds_is_drawn_by_squared_distance():
    points = np.array([[0, 0], [1, 0], [0, 2], [3, 4]], dtype=np.float32)
    squared = np.square(points[:, None] - points).sum(axis=2)
    drawn = np.zeros((4, 4))
    for first, second in of_many_seeds(points, 2, 2000, 1):
        drawn[(points == first).all(axis=1).argmax(), (points == second).all(axis=1).argmax()] += 1
    np.testing.assert_allclose(drawn.sum(axis=1) / 2000, 0.25, atol=0.04)
    shares = drawn / drawn.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, squared / squared.sum(axis=1, keepdims=True), atol=0.08)


def test_with_all_points_in_the_sample_it_leaves_what_greedy_k_means_plus_plus_leaves():
    points = mixture(1500, 40)
    ours = [inertia(points, seeds_of(points, 60, seed=seed)) for seed in range(8)]
    twin = [greedy(points, 60, seed) for seed in range(8)]
    plain = [inertia(points, seeds_of(points, 60, seed=seed, n_candidates=1)) for seed in range(8)]
    assert np.mean(ours) == pytest.approx(np.mean(twin), rel=0.02)
    assert np.mean(plain) > 1.05 * np.mean(ours)


def test_a_sample_of_the_points_leaves_little_more_than_all_of_them():
    points = mixture(20_000, 100)
    whole = np.mean([inertia(points, seeds_of(points, 150, seed=s, n_sampled=20_000)) for s in range(2)])
    sampled = np.mean([inertia(points, seeds_of(points, 150, seed=s, n_sampled=2000)) for s in range(3)])
    assert sampled < 1.04 * whole


def test_a_sample_finds_every_rare_cluster_that_lies_far_away():
    rng = np.random.default_rng(0)
    rare = rng.normal(size=(20, 6)) * 200
    points = np.concatenate([rng.normal(size=(10_000, 6)), rare, rare + 0.1]).astype(np.float32)
    points = rng.permutation(points)
    for seed in range(5):
        centroids = seeds_of(points, 60, seed=seed, n_sampled=500)
        assert assign(points, centroids)[1].max() < 10  # the farthest rare clusters are 40 and more from the next


@settings(deadline=None, max_examples=40)
@given(
    distinct=st.integers(1, 30),
    copies=st.integers(1, 8),
    k=st.integers(1, 40),
    n_sampled=st.sampled_from([1, 3, 20, N_SAMPLED]),
    n_candidates=st.sampled_from([None, 1, 7]),
    half=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_no_point_is_chosen_twice_and_all_are_where_there_are_few(
    distinct, copies, k, n_sampled, n_candidates, half, seed
):
    rng = np.random.default_rng(seed)
    unique = np.unique(rng.integers(-50, 50, size=(distinct, 2)), axis=0) + 1000
    points = rng.permutation(np.repeat(unique, copies, axis=0)).astype(np.float16 if half else np.float32)
    how = {"seed": seed, "n_candidates": n_candidates, "n_sampled": n_sampled, "resources": ONE}
    centroids = seeds_of(points, k, **how)
    assert (centroids.dtype, centroids.shape) == (np.float32, (min(k, len(unique)), 2))
    assert len(np.unique(centroids, axis=0)) == len(centroids)
    assert {tuple(row) for row in centroids.tolist()} <= {tuple(row) for row in points.tolist()}


@pytest.mark.parametrize("n_sampled", [1, 500, N_SAMPLED])
def test_threads_and_memory_change_no_byte(n_sampled: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blocks_of_points, "BLOCK_VALUES", 1)  # blocks of 1024 rows
    points = mixture(5000, 30)
    k = 8 if n_sampled == 1 else 80
    seeds = [
        seeds_of(points, k, seed=1, n_sampled=n_sampled, resources=Resources(n_threads=n, memory=memory))
        for n, memory in ((1, 2**31), (2, 0), (3, 2**31))
    ]
    assert seeds[0].tobytes() == seeds[1].tobytes() == seeds[2].tobytes()
    other = seeds_of(points, k, seed=2, n_sampled=n_sampled)
    assert other.tobytes() != seeds[0].tobytes()


@settings(deadline=None, max_examples=30)
@given(
    n=st.integers(1, 150),
    given_=st.integers(0, 5),
    k=st.integers(5, 30),
    n_sampled=st.sampled_from([9, N_SAMPLED]),
    seed=st.integers(0, 10**6),
)
def test_given_centroids_come_first_and_every_point_knows_its_nearest(n, given_, k, n_sampled, seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(-4, 5, size=(n, 2)).astype(np.float32)
    first = rng.integers(-9, 10, size=(given_, 2)).astype(np.float32) if given_ else None
    blocks = Blocks(points, ONE)
    state = State.of(n, ONE)
    with blocks.working():
        centroids = seed_blocks(blocks, k, state, seed=seed, centroids=first, n_sampled=n_sampled)
    assert len(centroids) <= k
    assert np.array_equal(centroids[:given_], points[:0] if first is None else first)
    exact = np.sqrt(np.square(points[:, None] - centroids, dtype=np.float64).sum(axis=2))
    assert state.nearest.tolist() == exact.argmin(axis=1).tolist()
    np.testing.assert_allclose(state.distance, exact.min(axis=1), rtol=1e-6)
    exact[np.arange(n), state.nearest] = np.inf
    assert (state.others <= exact.min(axis=1)).all()


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 4000), size=st.integers(1, 300), zeros=st.floats(0, 0.99), seed=st.integers(0, 10**6))
def test_a_systematic_sample_has_each_point_as_often_as_its_share_to_less_than_one(n, size, zeros, seed):
    rng = np.random.default_rng(seed)
    distance = (rng.exponential(size=n) * (rng.random(n) >= zeros)).astype(np.float32)
    distance[rng.integers(n)] = 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_of_points, "BLOCK_VALUES", 1)
        blocks = Blocks(np.zeros((n, 1), np.float32), ONE)
    squared = np.square(distance, dtype=np.float64)
    state = State(np.zeros(n, np.int32), distance, np.zeros(n, np.float32))
    totals = np.array([squared[rows].sum() for rows in blocks.slices])
    rows = _systematic(blocks, state, totals, size, rng)
    assert rows.dtype == np.int64
    assert len(rows) == size
    assert (np.diff(rows) >= 0).all()
    often = np.bincount(rows, minlength=n)
    assert (np.abs(often - size * squared / squared.sum()) < 1 + 1e-9).all()
    assert (often[distance == 0] == 0).all()


def test_the_first_row_that_is_not_finite_is_named():
    points = mixture(3000, 5)
    points[[1700, 2900], 2] = np.nan
    with pytest.raises(ValueError, match="points: row 1700 is not finite"):
        seeds_of(points, 3, seed=0)


def test_bad_calls_are_refused():
    points = np.arange(4, dtype=np.float32)[:, None]
    with pytest.raises(ValueError, match="points: expected"):
        seeds_of(points[:0], 1, seed=0)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=f"n_candidates: expected at least 1, got {wrong}"):
            seeds_of(points, 2, seed=0, n_candidates=wrong)
        with pytest.raises(ValueError, match=f"n_sampled: expected at least 1, got {wrong}"):
            seeds_of(points, 2, seed=0, n_sampled=wrong)
