import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.deciding.accept_or_defer import accept, fit_accept_rule


def two_class(*first):
    return np.array([[p, 1 - p] for p in first], dtype=np.float32)


def test_centroid_and_radius_by_hand():
    held_out = two_class(0.9, 0.8, 0.7, 0.6, 0.3)
    rule = fit_accept_rule(held_out, np.array([0, 0, 1, 1, 1]))
    np.testing.assert_allclose(rule.centroids, [[0.85, 0.15], [0.3, 0.7]], atol=1e-6)
    # The errors given class 0 are 0.15 and 0.25 from 0.85; distance is sqrt(2) times that.
    assert rule.radius[0] == pytest.approx(0.15 * np.sqrt(2), abs=1e-6)
    assert accept(two_class(0.95, 0.72, 0.69, 0.999), rule).tolist() == [True, True, False, True]
    half = fit_accept_rule(held_out, np.array([0, 0, 1, 1, 1]), error_share=0.5)
    assert half.radius[0] == pytest.approx(0.25 * np.sqrt(2), abs=1e-6)


def test_without_errors_what_was_right_is_accepted_and_nothing_further():
    rule = fit_accept_rule(two_class(0.9, 0.7), np.array([0, 0]))
    assert accept(two_class(0.9, 0.7, 0.69, 0.93), rule).tolist() == [True, True, False, False]


def test_a_class_that_was_never_right_is_deferred():
    rule = fit_accept_rule(two_class(0.9, 0.8, 0.2), np.array([0, 0, 0]))
    assert rule.radius[1] == 0 and not accept(two_class(0.2, 0.0), rule).any()
    assert not accept(two_class(0.9, 0.1), fit_accept_rule(two_class(0.9, 0.1), np.array([-1, -1]))).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.9))
def test_at_most_the_share_of_held_out_errors_is_accepted_and_order_does_not_matter(seed, error_share):
    rng = np.random.default_rng(seed)
    held_out, labels = rng.dirichlet(np.full(3, 0.5), size=60).astype(np.float32), rng.integers(3, size=60)
    rule, order = fit_accept_rule(held_out, labels, error_share), rng.permutation(60)
    predicted = held_out.argmax(axis=1)
    accepted = accept(held_out, rule)
    for label in range(3):
        wrong = (predicted == label) & (labels != label)
        assert accepted[wrong].sum() <= error_share * wrong.sum()
    permuted = fit_accept_rule(held_out[order], labels[order], error_share)
    np.testing.assert_array_equal(accept(held_out[order], permuted), accepted[order])


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="error_share must be from 0 to below 1, got 1"):
        fit_accept_rule(two_class(0.5), np.array([0]), 1)
    rule = fit_accept_rule(two_class(0.5), np.array([0]))
    with pytest.raises(ValueError, match="probabilities must have 2 columns"):
        accept(np.ones((1, 3), np.float32), rule)
