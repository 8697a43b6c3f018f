import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.combining.daso import blend, blend_shares

FEW = settings(max_examples=20, deadline=None)


def distributions(seed, n=60, n_classes=4):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.3), size=n).astype(np.float32)


def test_four_points_by_hand():
    linear = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.6, 0.4, 0], [0.7, 0.3, 0], [0.2, 0.8, 0]], np.float32)
    semantic = np.tile(np.array([[0.2, 0.3, 0.5]], np.float32), (5, 1))
    # Four of class 0, one of class 1, none of class 2: (1/4)^(1/2) is one half.
    assert blend_shares(linear, 2.0).tolist() == [1, 0.5, 0]
    blended = blend(linear, semantic, 2.0)
    np.testing.assert_allclose(blended[:4], semantic[:4])
    np.testing.assert_allclose(blended[4], [0.2, 0.55, 0.25], atol=1e-6)


@FEW
@given(st.integers(0, 10_000), st.floats(0.2, 10))
def test_rows_sum_to_one_lie_between_the_two_and_follow_the_order(seed, temperature):
    linear, semantic = distributions(seed), distributions(seed + 1)
    blended = blend(linear, semantic, temperature)
    np.testing.assert_allclose(blended.sum(axis=1), 1, atol=1e-5)
    assert np.all(blended >= np.minimum(linear, semantic) - 1e-6)
    assert np.all(blended <= np.maximum(linear, semantic) + 1e-6)
    order = np.random.default_rng(seed).permutation(60)
    np.testing.assert_array_equal(blend(linear[order], semantic[order], temperature), blended[order])


def test_a_cold_temperature_moves_the_commonest_class_alone_and_a_hot_one_all():
    linear, semantic = distributions(1), distributions(2)
    predicted = linear.argmax(axis=1)
    commonest = predicted == np.bincount(predicted).argmax()
    cold = blend(linear, semantic, 1e-3)
    np.testing.assert_allclose(cold[commonest], semantic[commonest], atol=1e-6)
    np.testing.assert_allclose(cold[~commonest], linear[~commonest], atol=1e-6)
    np.testing.assert_allclose(blend(linear, semantic, 1e6), semantic, atol=1e-4)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="one shape"):
        blend(distributions(0), distributions(0, 3))
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        blend(distributions(0), distributions(0), 0)
    assert blend(np.empty((0, 2), np.float32), np.empty((0, 2), np.float32)).shape == (0, 2)
