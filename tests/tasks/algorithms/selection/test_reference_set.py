import numpy as np
import pytest

from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph
from windrow.tasks.algorithms.selection.reference_set import density_ratio_weights, overlap, share_interval


def test_the_weights_of_one_normal_distribution_against_another_are_known() -> None:
    """N(1, 1) over N(0, 1) is e^(x - 1/2), and a reference of another size does not change it."""
    rng = np.random.default_rng(0)
    pool, reference = rng.normal(0, 1, (4000, 1)), rng.normal(1, 1, (1000, 1))
    weights = density_ratio_weights(pool, reference)
    slope, shift = np.polyfit(pool[:, 0], np.log(weights), 1)
    assert np.corrcoef(np.log(weights), pool[:, 0] - 0.5)[0, 1] > 0.99
    assert abs(slope - 1) < 0.1 and abs(shift + 0.5) < 0.1
    assert abs(weights.mean() - 1) < 0.1
    assert np.average(pool[:, 0], weights=weights) == pytest.approx(1, abs=0.1)


def test_a_set_that_is_like_the_pool_weighs_one_everywhere() -> None:
    """Two samples of one distribution, 300 rows each in 20 dimensions."""
    rng = np.random.default_rng(1)
    pool, reference = rng.normal(size=(300, 20)), rng.normal(size=(300, 20))
    assert np.median(density_ratio_weights(pool, reference)) == pytest.approx(1, abs=0.25)


def test_the_same_seed_gives_the_same_weights_and_a_constant_column_none_of_them() -> None:
    rng = np.random.default_rng(2)
    pool, reference = rng.normal(size=(40, 2)), rng.normal(0.5, 1, (30, 2))
    once = density_ratio_weights(pool, reference, seed=3)
    with_constant = [np.column_stack([rows, np.full(len(rows), 7.0)]) for rows in (pool, reference)]
    assert np.array_equal(once, density_ratio_weights(pool, reference, seed=3))
    assert np.allclose(once, density_ratio_weights(*with_constant, seed=3), rtol=1e-3)


def test_what_lies_within_the_other_set_is_counted() -> None:
    """By hand, on the circle: every ball reaches 10 degrees in the pool, and 2 in the reference, but at its end."""

    def points(*degrees: float) -> np.ndarray:
        return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)

    pool, reference = points(0, 10, 20, 30), points(38, 41, 43, 45)
    found = overlap(pool, reference, k=1)
    assert found.covered.tolist() == [True, False, False, False]
    assert found.alike.tolist() == [False] * 4
    assert (found.reference_covered, found.pool_alike) == (0.25, 0.0)
    assert overlap(pool, pool, k=9).reference_covered == 1.0


@pytest.mark.parametrize(
    ("share", "n", "n_whole"), [(0.5, 200, 100_000), (0.02, 1000, 1200), (0.9, 40, 60), (0, 50, 999)]
)
def test_the_interval_of_a_share_of_a_part_holds_that_of_the_whole(share: float, n: int, n_whole: int) -> None:
    """At least 93 of 100 intervals of samples without replacement, where 95 should."""
    n_with = round(share * n_whole)
    drawn = np.random.default_rng(0).hypergeometric(n_with, n_whole - n_with, n, 2000)
    intervals = [share_interval(int(found), n, n_whole) for found in drawn]
    assert np.mean([low <= n_with / n_whole <= high for low, high in intervals]) >= 0.93
    assert all(0 <= low < high <= 1 for low, high in intervals)
    assert share_interval(3, 12, 12) == (0.25, 0.25)


def test_a_bad_call_is_refused() -> None:
    rows = np.ones((6, 2))
    with pytest.raises(ValueError, match="pool has 2 dimensions and reference 3"):
        overlap(rows, np.ones((6, 3)))
    with pytest.raises(ValueError, match="wants 5 rows of each set, got a pool of 6 and a reference of 4"):
        density_ratio_weights(rows, rows[:4])
    with pytest.raises(ValueError, match="n_folds: wants 2 or more, got 1"):
        density_ratio_weights(rows, rows, n_folds=1)
    with pytest.raises(ValueError, match="two rows of each set"):
        overlap(rows, rows[:1])


def test_neighbours_that_are_known_and_probes_of_a_part_change_little() -> None:
    rng = np.random.default_rng(4)
    pool, reference = rng.normal(0, 1, (400, 3)), rng.normal(0.5, 1, (60, 3))
    known = neighbor_graph(pool, 7).similarity
    assert np.array_equal(overlap(pool, reference, pool_neighbors=known).covered, overlap(pool, reference).covered)
    whole, part = density_ratio_weights(pool, reference), density_ratio_weights(pool, reference, n_fitted=200)
    assert np.corrcoef(np.log(whole), np.log(part))[0, 1] > 0.9 and 0.5 < part.mean() / whole.mean() < 2
