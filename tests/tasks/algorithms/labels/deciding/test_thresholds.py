import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.deciding.class_wise import class_wise_thresholds
from windrow.tasks.algorithms.labels.deciding.self_adaptive import self_adaptive_thresholds
from windrow.tasks.algorithms.labels.deciding.soft import soft_weights

FEW = settings(max_examples=30, deadline=None)
NO_ROWS = np.empty((0, 2), np.float32)


def distributions(seed, n=60, n_classes=4):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.3), size=n).astype(np.float32)


def test_class_wise_thresholds_by_hand():
    # Four confident predictions of class 0, two of class 1, none of class 2: status 1, 1/2 and 0.
    sure = np.array([[0.98, 0.01, 0.01]] * 4 + [[0.01, 0.98, 0.01]] * 2 + [[0.2, 0.2, 0.6]], dtype=np.float32)
    np.testing.assert_allclose(class_wise_thresholds(sure, 0.9, 0.0), [0.9, 0.9 * 0.5 / 1.5, 0.0])
    np.testing.assert_allclose(class_wise_thresholds(sure, 0.9, 0.5), [0.9, 0.5, 0.5])


def test_where_nothing_is_confident_every_class_keeps_the_threshold():
    unsure = np.array([[0.6, 0.4], [0.4, 0.6]], dtype=np.float32)
    assert class_wise_thresholds(unsure, 0.9, 0.1).tolist() == [0.9, 0.9]
    assert class_wise_thresholds(NO_ROWS, 0.9, 0.1).tolist() == [0.9, 0.9]


def test_self_adaptive_thresholds_by_hand():
    # Mean confidence 0.7; mean probabilities 0.6 and 0.4, so the second class is let in at two thirds of it.
    pool = np.array([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5], [0.2, 0.8]], dtype=np.float32)
    overall = (0.9 + 0.6 + 0.5 + 0.8) / 4
    np.testing.assert_allclose(self_adaptive_thresholds(pool), [overall, overall * 0.45 / 0.55], atol=1e-7)
    np.testing.assert_allclose(self_adaptive_thresholds(pool, 0.65), [overall, 0.65], atol=1e-7)
    assert self_adaptive_thresholds(NO_ROWS, 0.3).tolist() == [0.3, 0.3]


def test_soft_weights_by_hand():
    weights = soft_weights(np.array([0.5, 0.7, 0.9], dtype=np.float32), spread=1.0)
    # Mean 0.7, variance 0.08 / 3: the lowest is 1.5 variances of squared distance away.
    np.testing.assert_allclose(weights, [np.exp(-0.04 / (2 * 0.08 / 3)), 1, 1], rtol=1e-5)
    narrow = soft_weights(np.array([0.5, 0.7, 0.9], dtype=np.float32), spread=0.5)
    np.testing.assert_allclose(narrow[0], weights[0] ** 4, rtol=1e-5)


def test_equal_confidences_all_weigh_one():
    assert soft_weights(np.full(5, 0.3, dtype=np.float32)).tolist() == [1] * 5
    assert soft_weights(np.empty(0, dtype=np.float32)).shape == (0,)


@FEW
@given(st.integers(0, 10_000), st.floats(0.1, 3))
def test_weights_rise_with_confidence_and_a_wider_spread_forgives_more(seed, spread):
    confidence = distributions(seed).max(axis=1)
    weights = soft_weights(confidence, spread)
    assert np.all(np.diff(weights[np.argsort(confidence)]) >= 0) and weights.max() == 1
    assert np.all(soft_weights(confidence, 2 * spread) >= weights)


@FEW
@given(st.integers(0, 10_000))
def test_the_order_of_the_pool_changes_no_bit(seed):
    pool, order = distributions(seed), np.random.default_rng(seed).permutation(60)
    np.testing.assert_array_equal(self_adaptive_thresholds(pool[order]), self_adaptive_thresholds(pool))
    np.testing.assert_array_equal(soft_weights(pool.max(axis=1)[order]), soft_weights(pool.max(axis=1))[order])


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="confidence must have shape"):
        soft_weights(NO_ROWS)
    with pytest.raises(ValueError, match="spread must be positive, got 0"):
        soft_weights(np.ones(2, np.float32), 0)
