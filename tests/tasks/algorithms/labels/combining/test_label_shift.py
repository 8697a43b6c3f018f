import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.combining.label_shift import (
    bbse_prior,
    confusion_matrix,
    em_prior,
    label_shares,
    reweight,
    shift_prior,
)

FEW = settings(max_examples=20, deadline=None)
EQUAL = np.full(3, 1 / 3)
TAILED = np.array([0.7, 0.25, 0.05])
MEANS = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])


def distributions(seed, n=60, n_classes=3):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.5), size=n).astype(np.float32)


def gaussians(seed, n, shares):
    """Classes of points drawn with these shares, and the exact p(y | x) of equal shares."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=n, p=shares)
    x = MEANS[labels] + rng.standard_normal((n, 2))
    density = np.exp(-0.5 * ((x[:, None] - MEANS) ** 2).sum(axis=2))
    return labels, (density / density.sum(axis=1, keepdims=True)).astype(np.float32)


def test_bayes_rule_by_hand():
    shifted = shift_prior(np.array([[0.5, 0.5], [0.9, 0.1]], np.float32), np.full(2, 0.5), np.array([0.8, 0.2]))
    np.testing.assert_allclose(shifted, [[0.8, 0.2], [0.72 / 0.74, 0.02 / 0.74]], rtol=1e-6)


@FEW
@given(st.integers(0, 10_000))
def test_shifting_there_and_back_is_nothing(seed):
    given_ = distributions(seed)
    back = shift_prior(shift_prior(given_, EQUAL, TAILED), TAILED, EQUAL)
    np.testing.assert_allclose(back, given_, atol=1e-5)
    np.testing.assert_allclose(reweight(given_, np.full(3, 7.0)), given_, atol=1e-6)


def test_a_row_left_with_nothing_stays_as_it_was():
    given_ = np.array([[1, 0, 0], [0.5, 0.5, 0]], np.float32)
    np.testing.assert_allclose(reweight(given_, np.array([0.0, 1, 1])), [[1, 0, 0], [0, 1, 0]])


def test_the_confusion_matrix_is_the_mean_prediction_of_each_class():
    held_out = np.array([[0.8, 0.2, 0], [0.6, 0.4, 0], [0.1, 0.9, 0], [0.3, 0.3, 0.4]], np.float32)
    matrix = confusion_matrix(held_out, np.array([0, 0, 1, -1]))
    np.testing.assert_allclose(matrix, [[0.7, 0.1, 0], [0.3, 0.9, 0], [0, 0, 0]], atol=1e-7)


def test_bbse_solves_the_confusion_matrix_by_hand():
    held_out = np.array([[0.75, 0.25], [0.25, 0.75]], np.float32)
    pool = np.array([[0.75, 0.25], [0.75, 0.25], [0.75, 0.25], [0.25, 0.75]], np.float32)
    np.testing.assert_allclose(bbse_prior(held_out, np.array([0, 1]), pool, 1e-9), [0.75, 0.25], atol=1e-6)
    np.testing.assert_allclose(bbse_prior(held_out, np.array([0, 1]), pool, 1e9), [0.5, 0.5], atol=1e-6)
    beyond = np.array([[1, 0]], np.float32)
    np.testing.assert_allclose(bbse_prior(held_out, np.array([0, 1]), beyond, 1e-9), [1, 0], atol=1e-6)


def test_both_estimates_find_the_shares_of_a_long_tail():
    labels, held_out = gaussians(0, 6000, EQUAL)
    _, pool = gaussians(1, 20_000, TAILED)
    np.testing.assert_allclose(em_prior(pool, EQUAL), TAILED, atol=0.015)
    np.testing.assert_allclose(bbse_prior(held_out, labels, pool), TAILED, atol=0.03)


def test_bbse_needs_no_calibration_and_em_does():
    labels, held_out = gaussians(0, 6000, EQUAL)
    _, pool = gaussians(1, 20_000, TAILED)
    bias = np.array([1.0, 4.0, 1.0])
    np.testing.assert_allclose(bbse_prior(reweight(held_out, bias), labels, reweight(pool, bias)), TAILED, atol=0.04)
    assert np.abs(em_prior(reweight(pool, bias), EQUAL) - TAILED).max() > 0.1


@FEW
@given(st.integers(0, 10_000))
def test_em_is_the_fixed_point_and_no_other_shares_fit_better(seed):
    pool = distributions(seed)
    shares = em_prior(pool, EQUAL, tolerance=1e-9, max_iterations=5000)
    np.testing.assert_allclose(shift_prior(pool, EQUAL, shares).mean(axis=0), shares, atol=1e-6)

    def likelihood(q):
        return np.log((pool * (q / EQUAL)).sum(axis=1)).sum()

    for other in np.random.default_rng(seed).dirichlet(np.ones(3), size=20):
        assert likelihood(shares) >= likelihood(other) - 1e-4


@FEW
@given(st.integers(0, 10_000))
def test_the_order_of_the_pool_changes_no_bit(seed):
    pool, held_out = distributions(seed), distributions(seed + 1, 9)
    order = np.random.default_rng(seed).permutation(len(pool))
    labels = np.repeat([0, 1, 2], 3)
    np.testing.assert_array_equal(em_prior(pool[order], EQUAL), em_prior(pool, EQUAL))
    np.testing.assert_array_equal(bbse_prior(held_out, labels, pool[order]), bbse_prior(held_out, labels, pool))


def test_pseudo_counts_hold_the_shares_and_labels_give_theirs():
    pool = distributions(2)
    np.testing.assert_allclose(em_prior(pool, TAILED, pseudo_count=1e9), TAILED, atol=1e-6)
    assert label_shares(np.array([0, 0, -1, 2, 0]), 3).tolist() == [0.75, 0, 0.25]
    np.testing.assert_allclose(label_shares(np.array([-1]), 3), EQUAL)


def test_a_class_without_labels_gets_nothing():
    held_out, labels = distributions(0, 6), np.array([0, 0, 0, 1, 1, 1])
    assert bbse_prior(held_out, labels, distributions(1))[2] == 0
    assert em_prior(distributions(1), np.array([0.5, 0.5, 0]))[2] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: em_prior(p, np.ones(3)), "source must be 3 numbers from 0 that sum to 1"),
        (lambda p: em_prior(p, EQUAL, pseudo_count=-1), "must be from 0, positive and from 1, got -1"),
        (lambda p: em_prior(p, EQUAL, tolerance=0), "must be from 0, positive and from 1"),
        (lambda p: shift_prior(p, EQUAL, np.array([1.0, 0])), "target must be 3 numbers"),
        (lambda p: reweight(p, np.array([1.0, -1, 1])), "ratio must be 3 numbers from 0"),
        (lambda p: bbse_prior(p, np.zeros(5, int), p, 0), "ridge must be positive, got 0"),
        (lambda p: bbse_prior(p, np.full(5, -1), p), "labels must hold at least one label"),
        (lambda p: bbse_prior(p[:, :2], np.zeros(5, int), p), "pool must have the 2 columns"),
        (lambda p: bbse_prior(p, np.zeros(4, int), p), "labels"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call(distributions(0, 5))
