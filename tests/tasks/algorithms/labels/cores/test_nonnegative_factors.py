import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.cores.nonnegative_factors import (
    anchor_rows,
    descend,
    divergence,
    nonnegative_factors,
)

FEW = settings(max_examples=20, deadline=None)


def separable_counts(seed, m=8, k=3, r=5):
    """Counts without noise, of which the first k rows are the factors' own."""
    rng = np.random.default_rng(seed)
    left = np.vstack([0.5 * np.eye(k), rng.dirichlet(np.ones(k), size=m - k) * 0.5])
    left /= left.sum(axis=0)
    right = rng.dirichlet(np.full(k, 0.5), size=r).T
    return np.rint(1e9 * left @ right).astype(np.int64), left, right


@FEW
@given(st.integers(0, 10_000))
def test_factors_with_rows_of_their_own_are_recovered_up_to_their_order(seed):
    counts, left, right = separable_counts(seed)
    assume(np.linalg.cond(right) < 20)
    found_left, found_right = nonnegative_factors(counts, 3)
    order = [int(np.abs(found_right - each).sum(axis=1).argmin()) for each in right]
    np.testing.assert_allclose(found_right[order], right, atol=0.02)
    np.testing.assert_allclose(found_left[:, order], left, atol=0.02)


@FEW
@given(st.integers(0, 10_000), st.integers(1, 4), st.booleans())
def test_no_iteration_fits_worse_and_columns_sum_to_one(seed, k, hold_right):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(6), size=4).T
    start = rng.random((6, k)) + 0.01, rng.random((k, 4)) + 0.01
    costs = [divergence(shares, *start)]
    for n_iters in (1, 2, 3, 20, 400):
        left, right = descend(shares, *start, n_iters, hold_right)
        costs.append(divergence(shares, left, right))
        if not hold_right:
            np.testing.assert_allclose(right.sum(axis=0), 1)
            np.testing.assert_allclose(left.sum(axis=0), 1)
    assert np.all(np.diff(costs) <= 1e-12)
    assert hold_right == np.array_equal(right, start[1])


def test_one_factor_is_the_mean_of_the_columns():
    counts = np.array([[1, 6], [3, 2]])
    left, right = nonnegative_factors(counts, 1)
    np.testing.assert_allclose(left[:, 0], [0.5, 0.5])
    np.testing.assert_allclose(right, [[1, 1]])


def test_the_anchors_are_the_rows_that_no_others_add_up_to_and_few_counts_make_none():
    counts = np.array([[800, 100], [450, 450], [100, 800], [0, 1], [0, 0]])
    assert sorted(anchor_rows(counts, 2).tolist()) == [0, 2]


def test_permuting_the_rows_permutes_left_and_leaves_right():
    counts = separable_counts(3)[0]
    order = np.random.default_rng(0).permutation(len(counts))
    (left, right), (moved, same) = nonnegative_factors(counts, 3), nonnegative_factors(counts[order], 3)
    np.testing.assert_allclose(same, right, atol=1e-6)
    np.testing.assert_allclose(moved, left[order], atol=1e-6)


@pytest.mark.parametrize(
    ("counts", "k", "message"),
    [
        (np.ones(3, np.int64), 1, "counts must be"),
        (np.array([[1, -1], [1, 3]]), 1, "counts must be"),
        (np.array([[1, 0], [1, 0]]), 1, "every column with some"),
        (np.ones((2, 3), np.int64), 3, "n_factors must be from 1 to 2, got 3"),
    ],
)
def test_a_bad_call_names_the_argument(counts, k, message):
    with pytest.raises(ValueError, match=message):
        nonnegative_factors(counts, k)
