import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.combining.distribution_alignment import alignment_factors
from windrow.tasks.algorithms.labels.combining.label_shift import reweight

FEW = settings(max_examples=25, deadline=None)


def align_distribution(probabilities, *target, **limits):
    return reweight(probabilities, alignment_factors(probabilities, *target, **limits))


def distributions(seed, n=60, n_classes=4):
    return np.random.default_rng(seed).dirichlet(np.ones(n_classes), size=n).astype(np.float32)


@FEW
@given(st.integers(0, 10_000))
def test_the_mean_becomes_the_target_and_rows_still_sum_to_one(seed):
    target = np.random.default_rng(seed).dirichlet(np.full(4, 5.0))
    aligned = align_distribution(distributions(seed), target, tolerance=1e-5, max_iterations=2000)
    np.testing.assert_allclose(aligned.mean(axis=0), target, atol=2e-5)
    np.testing.assert_allclose(aligned.sum(axis=1), 1, atol=1e-6)


def test_one_step_is_remixmatch_by_hand():
    given_ = np.array([[0.9, 0.1], [0.7, 0.3]], np.float32)
    once = align_distribution(given_, max_iterations=1)
    raw = given_ * [0.5 / 0.8, 0.5 / 0.2]
    np.testing.assert_allclose(once, raw / raw.sum(axis=1, keepdims=True), rtol=1e-5)
    assert abs(once.mean(axis=0)[0] - 0.5) > 0.001
    np.testing.assert_allclose(align_distribution(given_).mean(axis=0), [0.5, 0.5], atol=1e-4)


@FEW
@given(st.integers(0, 10_000))
def test_only_a_factor_for_each_class_is_put_on(seed):
    given_ = distributions(seed)
    odds = np.log(align_distribution(given_)) - np.log(given_)
    odds -= odds[:, :1]
    np.testing.assert_allclose(odds, np.broadcast_to(odds[0], odds.shape), atol=1e-3)


@FEW
@given(st.integers(0, 10_000))
def test_the_order_of_the_pool_changes_no_bit_and_the_first_factors_do_not_matter(seed):
    given_, order = distributions(seed), np.random.default_rng(seed).permutation(60)
    aligned = align_distribution(given_, tolerance=1e-7, max_iterations=1000)
    np.testing.assert_array_equal(
        align_distribution(given_[order], tolerance=1e-7, max_iterations=1000), aligned[order]
    )
    moved = given_ * np.array([1, 3, 0.5, 1], np.float32)
    moved /= moved.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(align_distribution(moved, tolerance=1e-7, max_iterations=1000), aligned, atol=1e-4)


def test_where_the_mean_is_right_nothing_changes():
    given_ = np.array([[0.9, 0.1], [0.1, 0.9]], np.float32)
    np.testing.assert_array_equal(align_distribution(given_), given_)
    assert align_distribution(np.empty((0, 3), np.float32)).shape == (0, 3)


def test_a_class_that_no_row_has_cannot_be_given():
    aligned = align_distribution(np.array([[1, 0], [1, 0]], np.float32))
    assert aligned.tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": np.array([0.5, 0.6])}, "target must be 2 numbers from 0 that sum to 1"),
        ({"tolerance": 0}, "tolerance must be positive"),
        ({"max_iterations": 0}, "max_iterations from 1"),
    ],
)
def test_a_bad_call_names_the_argument(options, message):
    with pytest.raises(ValueError, match=message):
        align_distribution(np.full((2, 2), 0.5, np.float32), **options)
