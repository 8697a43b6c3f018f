from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.selection.ranking import (
    balanced_shares,
    cluster_hash,
    cut,
    inclusion_weights,
    rank,
)


def random_tree(seed: int, n: int, clusters: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Paths of uneven clusters, distances with ties, and sample ids in no order."""
    rng = np.random.default_rng(seed)
    paths = [np.minimum(rng.exponential(clusters[0] / 4, n).astype(np.int32), clusters[0] - 1)]
    for below, k in pairwise(clusters):
        parent = np.minimum(rng.exponential(k / 3, below).astype(np.int32), k - 1)
        paths.append(parent[paths[-1]])
    ids = np.array([f"{number:032x}" for number in rng.permutation(n)])
    return np.stack(paths, axis=1), (rng.integers(0, 20, n) / 8).astype(np.float32), ids


def balanced_allocation(
    paths: np.ndarray, distance: np.ndarray, ids: np.ndarray, seed: int, budget: int, rows: np.ndarray, level: int
) -> list[int]:
    """The recursive twin of `rank`: the rows a cluster of this level selects with this budget."""
    if level == 0:
        return rows[np.lexsort((ids[rows], distance[rows]))][:budget].tolist()
    children, sizes = np.unique(paths[rows, level - 1], return_counts=True)
    shares = balanced_shares(sizes, budget, order=cluster_hash(children, level, seed))
    selected = []
    for child, share in zip(children, shares, strict=True):
        below = rows[paths[rows, level - 1] == child]
        selected += balanced_allocation(paths, distance, ids, seed, int(share), below, level - 1)
    return selected


def select(paths: np.ndarray, distance: np.ndarray, ids: np.ndarray, seed: int, budget: int) -> list[int]:
    return balanced_allocation(paths, distance, ids, seed, budget, np.arange(len(paths)), paths.shape[1])


@pytest.mark.parametrize(
    ("sizes", "budget", "x"),
    [
        ([10, 5, 3, 1], 12, 4),
        ([10, 5, 3, 1], 19, 10),
        ([10, 5, 3, 1], 100, 10),
        ([10, 5, 3, 1], 0, 0),
        ([10, 5, 3, 1], 4, 1),
        ([7, 7, 7], 10, 3),
        ([100, 1, 1, 1], 50, 47),
        ([3, 3, 3, 3], 6, 1),
        ([], 6, 0),
    ],
)
def test_the_cut_is_the_largest_that_fits_the_budget(sizes, budget, x):
    assert cut(sizes, budget) == x


@pytest.mark.parametrize(
    ("sizes", "budget", "shares"),
    [
        ([10, 5, 3, 1], 12, [1, 3, 4, 4]),
        ([10, 5, 3, 1], 100, [1, 3, 5, 10]),
        ([100, 1, 1, 1], 50, [1, 1, 1, 47]),
        ([4, 4, 4, 4], 2, [0, 0, 1, 1]),
    ],
)
def test_the_shares_are_as_even_as_the_sizes_allow(sizes, budget, shares):
    assert sorted(balanced_shares(sizes, budget).tolist()) == shares


def test_what_remains_goes_to_the_lowest_in_order_that_have_more():
    assert balanced_shares([4, 4, 1, 4], 3, order=[3, 1, 0, 2]).tolist() == [0, 1, 1, 1]
    assert balanced_shares([4, 4, 1, 4], 6, order=[3, 1, 0, 2]).tolist() == [1, 2, 1, 2]


@settings(deadline=None, max_examples=100)
@given(sizes=st.lists(st.integers(0, 30), min_size=1, max_size=12), budget=st.integers(0, 400))
def test_shares_spend_the_budget_and_differ_by_at_most_one_among_those_not_used_up(sizes, budget):
    shares, x = balanced_shares(sizes, budget), cut(sizes, budget)
    assert shares.sum() == min(budget, sum(sizes))
    assert all(share <= size for share, size in zip(shares, sizes, strict=True))
    assert all(share in ((x, x + 1) if size > x else (size,)) for share, size in zip(shares, sizes, strict=True))
    fits = [candidate for candidate in range(max(sizes) + 1) if sum(min(candidate, s) for s in sizes) <= budget]
    assert x == max(fits)


def test_four_of_four_leaves_under_two_parents_are_their_closest_members():
    leaves = [[4, 0, 2], [1], [3, 5, 6, 7], [8, 9]]
    parents = [0, 0, 1, 1]
    paths, distance = np.zeros((10, 2), dtype=np.int32), np.zeros(10)
    for leaf, members in enumerate(leaves):
        paths[members] = leaf, parents[leaf]
        distance[members] = np.arange(len(members))
    for seed in range(5):
        ranks = rank(paths, distance, np.arange(10), seed)
        assert set(np.flatnonzero(ranks <= 4)) == {4, 1, 8, 3}
        assert set(select(paths, distance, np.arange(10), seed, 4)) == {4, 1, 8, 3}


@pytest.mark.parametrize(("budget", "per_parent"), [(30, [13, 13, 4]), (99, [59, 36, 4])])
def test_parents_share_a_budget_as_evenly_as_their_sizes_allow(budget, per_parent):
    leaf = np.repeat(np.arange(5), [50, 10, 3, 1, 36])
    paths = np.stack([leaf, np.array([0, 0, 1, 1, 2])[leaf]], axis=1).astype(np.int32)
    ranks = rank(paths, np.zeros(100), np.arange(100), seed=1)
    assert sorted(np.bincount(paths[ranks <= budget, 1]), reverse=True) == per_parent


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(1, 400),
    clusters=st.sampled_from([(9,), (20, 4), (40, 12, 3), (50, 20, 8, 2)]),
    share=st.floats(0, 1.1),
    seed=st.integers(0, 2**64 - 1),
)
def test_every_prefix_of_the_ranking_is_the_recursive_allocation(n, clusters, share, seed):
    paths, distance, ids = random_tree(seed, n, clusters)
    ranks = rank(paths, distance, ids, seed)
    assert sorted(ranks) == list(range(1, n + 1))
    budget = int(share * n)
    selected = select(paths, distance, ids, seed, budget)
    assert len(selected) == min(budget, n)
    assert sorted(selected) == np.flatnonzero(ranks <= budget).tolist()


def tree_of_equal_sizes(n: int) -> np.ndarray:
    leaf = np.arange(n) % 6
    return np.stack([leaf, leaf // 2], axis=1)


def tree_of_only_children(n: int) -> np.ndarray:
    leaf = np.minimum(np.arange(n) // 3, 4)
    return np.stack([leaf, leaf, np.zeros(n, int)], axis=1)


def tree_with_unused_numbers(n: int) -> np.ndarray:
    leaf = np.arange(n) % 3 * 1000 + 7
    return np.stack([leaf, leaf % 2 * 50], axis=1)


def tree_of_one_cluster(n: int) -> np.ndarray:
    return np.zeros((n, 3), int)


@pytest.mark.parametrize(
    "make",
    [tree_of_equal_sizes, tree_of_only_children, tree_with_unused_numbers, tree_of_one_cluster],
    ids=lambda make: make.__name__,
)
@settings(deadline=None, max_examples=20)
@given(n=st.integers(1, 60), seed=st.integers(0, 2**64 - 1))
def test_prefixes_at_the_ends_of_trees_of_every_shape_are_the_recursive_allocation(make, n, seed):
    paths, distance = make(n).astype(np.int32), np.zeros(n)
    ranks = rank(paths, distance, np.arange(n), seed)
    for budget in {0, 1, n // 2, n - 1, n, n + 1}:
        selected = select(paths, distance, np.arange(n), seed, budget)
        assert len(selected) == min(budget, n)
        assert sorted(selected) == np.flatnonzero(ranks <= budget).tolist()


def test_a_larger_allocation_holds_the_smaller_ones():
    paths, distance, ids = random_tree(3, 300, (40, 12, 3))
    nested = [set(select(paths, distance, ids, 7, budget)) for budget in range(0, 301, 20)]
    assert all(smaller < larger for smaller, larger in pairwise(nested))


def test_the_ranking_depends_on_the_seed_but_not_on_the_order_of_the_rows():
    paths, distance, ids = random_tree(0, 500, (60, 7))
    ranks = rank(paths, distance, ids, 1)
    shuffled = np.random.default_rng(0).permutation(500)
    assert np.array_equal(rank(paths[shuffled], distance[shuffled], ids[shuffled], 1), ranks[shuffled])
    assert not np.array_equal(rank(paths, distance, ids, 2), ranks)


def test_cluster_hashes_never_collide_and_favour_no_cluster():
    clusters = np.arange(100_000)
    hashes = cluster_hash(clusters, 1, seed=0)
    assert len(np.unique(hashes)) == len(clusters)
    assert hashes.max() < 2**32
    first = [int(cluster_hash(clusters[:10], level, seed).argmin()) for seed in range(500) for level in (1, 2)]
    np.testing.assert_allclose(np.bincount(first, minlength=10) / 1000, 0.1, atol=0.035)


def test_no_samples_have_no_ranks():
    assert rank(np.zeros((0, 2), dtype=np.int32), np.zeros(0), np.zeros(0), 0).tolist() == []


def test_weights_of_a_hand_worked_tree():
    # leaves 0 (4 samples, 2 selected) and 1 (2, none) under parent 0; leaves 2 (1) and 3 (3), none, under parent 1;
    # leaves 4 (1 selected) and 5 (1 selected) under parent 2. 8 + 4 samples go to parents 0 and 2 in proportion 6 : 2.
    leaf = np.repeat(np.arange(6), [4, 2, 1, 3, 1, 1])
    paths = np.stack([leaf, leaf // 2], axis=1).astype(np.int32)
    selected = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1], dtype=bool)
    assert inclusion_weights(paths, selected).tolist() == [4.5, 4.5, 0, 0, 0, 0, 0, 0, 0, 0, 1.5, 1.5]
    assert inclusion_weights(paths, np.ones(12, dtype=bool)).tolist() == [1.0] * 12
    assert inclusion_weights(paths, np.zeros(12, dtype=bool)).tolist() == [0.0] * 12


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 300), budget=st.integers(1, 300), seed=st.integers(0, 10**6))
def test_the_weights_of_the_selected_sum_to_the_pool_and_complete_leaves_to_their_size(n, budget, seed):
    paths, distance, ids = random_tree(seed, n, (40, 12, 3))
    selected = rank(paths, distance, ids, seed) <= budget
    weights = inclusion_weights(paths, selected)
    assert weights.sum() == pytest.approx(n)
    assert np.array_equal(weights > 0, selected)
    if np.isin(paths[:, 0], paths[selected, 0]).all():
        leaf_weights = np.bincount(paths[:, 0], weights=weights)
        np.testing.assert_allclose(leaf_weights, np.bincount(paths[:, 0]))


def test_bad_calls_are_refused():
    paths, distance, ids = np.zeros((3, 1), dtype=np.int32), np.zeros(3), np.arange(3)
    with pytest.raises(ValueError, match=r"paths: expected clusters >= 0 of shape \(n, n_levels >= 1\)"):
        rank(paths[:, 0], distance, ids, 0)
    with pytest.raises(ValueError, match="paths: expected clusters >= 0"):
        rank(paths - 1, distance, ids, 0)
    with pytest.raises(ValueError, match=r"sample_ids: expected shape \(3,\), got \(2,\)"):
        rank(paths, distance, ids[:2], 0)
    with pytest.raises(ValueError, match="distance: row 1 is NaN"):
        rank(paths, np.array([0, np.nan, 0]), ids, 0)
    with pytest.raises(ValueError, match="budget, sizes: expected no negative number, got -1"):
        balanced_shares([1, 2], -1)
    with pytest.raises(ValueError, match=r"selected: expected bool \(3,\), got int64 \(3,\)"):
        inclusion_weights(paths, np.ones(3, dtype=np.int64))


def test_lists_are_ranked_and_rows_break_ties_where_there_are_no_ids():
    paths, distance = [[0, 0], [0, 0], [1, 0], [2, 1]], [0.5, 0.5, 1, 1]
    expected = rank(np.array(paths, np.int32), np.array(distance), np.arange(4), 0)
    assert rank(paths, distance).tolist() == expected.tolist()
    with pytest.raises(ValueError, match=r"paths: .*got float64 \(4, 1\)"):
        rank(np.zeros((4, 1)), distance)
