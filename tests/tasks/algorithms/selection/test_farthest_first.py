"""Farthest first against brute force, and units whose products are exact."""

from itertools import combinations

import numpy as np
import pytest

from windrow.tasks.algorithms.selection.farthest_first import (
    farthest_first,
    farthest_in_clusters,
    squared_distances,
)
from windrow.tasks.algorithms.selection.grid_units import grid_units, group_sums


def units_of(seed: int, n: int, dim: int = 3) -> np.ndarray:
    return grid_units(np.random.default_rng(seed).normal(size=(n, dim)))


def naive_picks(units: np.ndarray, n_picks: int, first: int) -> list[int]:
    distance, picks = squared_distances(units, units), [first]
    while len(picks) < n_picks:
        picks.append(int(distance[picks].min(axis=0).argmax()))
    return picks


def test_the_radius_is_at_most_twice_the_best() -> None:
    for seed in range(50):
        units = units_of(seed, 14)
        distance = np.sqrt(squared_distances(units, units))
        best = min(distance[list(centers)].min(axis=0).max() for centers in combinations(range(14), 3))
        _, nearest = farthest_first(units, 3, first=seed % 14)
        assert np.sqrt(nearest.max()) <= 2 * best


@pytest.mark.parametrize("n_farthest", [1, 7, 64, 1000])
def test_picks_and_distances_are_those_of_one_pass_a_pick(n_farthest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windrow.tasks.algorithms.selection.farthest_first.N_FARTHEST", n_farthest)
    units = grid_units(np.random.default_rng(0).integers(-2, 3, (300, 4)))  # many copies and many ties
    n_distinct = len(np.unique(units, axis=0))
    picks, nearest = farthest_first(units, n_distinct, first=5)
    assert picks.tolist() == naive_picks(units, n_distinct, 5)
    assert nearest.max() == 0
    few, nearest = farthest_first(units, 40, first=5)
    assert few.tolist() == picks[:40].tolist()
    assert nearest.tolist() == squared_distances(units, units[few]).min(axis=1).tolist()


def test_it_ends_where_only_copies_are_left() -> None:
    units = grid_units(np.eye(3)[[0, 1, 0, 2, 2]])
    assert farthest_first(units, 5, first=2)[0].tolist() == [2, 1, 3]


def test_in_clusters_the_farthest_of_each_comes_first() -> None:
    units, clusters = units_of(1, 40), np.random.default_rng(2).integers(0, 6, 40)
    nearest = squared_distances(units, units[[0]])[:, 0]
    distance, turn = farthest_in_clusters(units, clusters, nearest)
    for cluster in range(6):
        members = np.flatnonzero(clusters == cluster)
        left, between = nearest[members].copy(), squared_distances(units[members], units[members])
        for step in range(len(members)):
            (pick,) = np.flatnonzero(turn[members] == step)
            assert left[pick] == left.max() == distance[members[pick]]
            left = np.where(np.isin(turn[members], range(step + 1)), -1, np.minimum(left, between[pick]))


def test_products_of_grid_units_are_exact_in_any_order() -> None:
    rng = np.random.default_rng(0)
    units = grid_units(
        np.concatenate([rng.normal(size=(60, 200)) * 10.0 ** rng.integers(-20, 15, (60, 1)), np.zeros((1, 200))])
    )
    exact = units.astype(np.float64) @ units.T.astype(np.float64)
    columns = rng.permutation(200)
    for product in (units @ units.T, units[:, columns] @ units[:, columns].T):
        assert np.array_equal(product, exact)
    assert np.abs(np.diag(exact)[:-1] - 1).max() < 2 * 200**0.5 / 2**12 and exact[-1, -1] == 0
    with pytest.raises(ValueError, match="embeddings must be finite, row 1 is not"):
        grid_units(np.array([[1.0], [np.inf]]))


def test_sums_of_groups_with_an_empty_one() -> None:
    assert group_sums(np.eye(3, dtype=np.float32), np.array([2, 0, 2]), 4).tolist() == [
        [0, 1, 0],
        [0] * 3,
        [1, 0, 1],
        [0] * 3,
    ]
