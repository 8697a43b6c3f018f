import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.combining.calibration import (
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
    label_weights,
)

FEW = settings(max_examples=30, deadline=None)


def distributions(seed, n=50, n_classes=4):
    return np.random.default_rng(seed).dirichlet(np.ones(n_classes), size=n).astype(np.float32)


def draw_labels(probabilities, seed):
    cumulative = probabilities.astype(np.float64).cumsum(axis=1)
    draws = np.random.default_rng(seed).random((len(probabilities), 1)) * cumulative[:, -1:]
    return (draws > cumulative).sum(axis=1)


@FEW
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_temperature_one_changes_nothing_and_none_changes_the_order(seed, temperature):
    given_ = distributions(seed)
    np.testing.assert_allclose(apply_temperature(given_, 1.0), given_, atol=1e-6)
    changed = apply_temperature(given_, temperature)
    np.testing.assert_allclose(changed.sum(axis=1), 1, atol=1e-6)
    top = given_.argmax(axis=1)
    np.testing.assert_array_equal(changed[np.arange(len(top)), top], changed.max(axis=1))


def test_cold_hardens_and_hot_flattens():
    given_ = np.array([[0.5, 0.3, 0.2]], dtype=np.float32)
    np.testing.assert_allclose(apply_temperature(given_, 0.01), [[1, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(apply_temperature(given_, 1e4), [[1 / 3] * 3], atol=1e-3)
    np.testing.assert_allclose(apply_temperature(np.array([[0.8, 0.2]], np.float32), 2), [[2 / 3, 1 / 3]], atol=1e-6)


def test_being_sure_and_wrong_can_be_made_less_sure():
    softened = apply_temperature(np.array([[1, 0]], dtype=np.float32), 4)
    assert 0.9 < softened[0, 0] < 0.99


def error_of(probabilities: np.ndarray, labels: np.ndarray, n_bins: int = 15) -> float:
    """The calibration error of the most probable classes."""
    correct = probabilities.argmax(axis=1) == labels
    return expected_calibration_error(probabilities.max(axis=1), correct, n_bins)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.0])
def test_the_temperature_that_distorted_the_probabilities_is_found_again(temperature):
    honest = distributions(1, n=20_000)
    labels = draw_labels(honest, 2)
    distorted = apply_temperature(honest, 1 / temperature)
    assert fit_temperature(distorted, labels) == pytest.approx(temperature, rel=0.05)
    before = error_of(distorted, labels)
    after = error_of(apply_temperature(distorted, fit_temperature(distorted, labels)), labels)
    assert after < 0.02 and after <= before


def test_few_labels_hold_the_temperature_near_one_and_none_leave_it_there():
    right = np.array([[0.6, 0.4]] * 3, dtype=np.float32)
    assert 0.3 < fit_temperature(right, np.array([0, 0, 0])) < 1
    assert 1 < fit_temperature(right, np.array([1, 1, 1])) < 10
    assert fit_temperature(right, np.array([-1, -1, -1])) == pytest.approx(1, abs=1e-3)
    assert fit_temperature(np.repeat(right, 9000, axis=0), np.zeros(27000, dtype=np.int64)) < 0.06


def test_three_labels_are_weighed_against_a_normal_prior_of_deviation_one_on_the_logarithm():
    # Of three labels that are right at 0.6, -log p at the temperature exp(t) is log(1 + (2/3)^exp(-t)) each.
    t = np.linspace(-3, 3, 600_001)
    cost = t**2 / 2 + 3 * np.log1p((2 / 3) ** np.exp(-t))
    found = fit_temperature(np.array([[0.6, 0.4]] * 3, dtype=np.float32), np.array([0, 0, 0]))
    assert np.log(found) == pytest.approx(t[cost.argmin()], abs=1e-4)


def test_class_weights_count_a_label_as_often_as_its_class():
    given_ = np.array([[0.7, 0.3], [0.7, 0.3], [0.4, 0.6], [0.4, 0.6]], dtype=np.float32)
    labels = np.array([0, 1, 1, 1])
    plain = fit_temperature(given_, labels)
    assert fit_temperature(given_, labels, class_weights=np.array([3.0, 3.0])) == pytest.approx(plain, abs=1e-4)
    assert fit_temperature(given_, labels, class_weights=np.array([9.0, 1.0])) < plain
    alone = fit_temperature(given_[labels == 1], labels[labels == 1])
    assert fit_temperature(given_, labels, class_weights=np.array([0.0, 5.0])) == pytest.approx(alone, abs=1e-4)


def test_unequal_weights_sum_to_the_effective_number_of_labels():
    weights = label_weights(np.array([0, 0, 0, 1]), np.array([1.0, 3.0]), 2)
    np.testing.assert_allclose(weights, np.array([1, 1, 1, 3]) * 6 / 12)
    assert label_weights(np.array([0, 1]), np.zeros(2), 2).tolist() == [1, 1]


def test_one_hopeless_label_does_not_flatten_the_rest():
    sure = np.tile(np.array([[0.99, 0.01, 0]], dtype=np.float32), (50, 1))
    assert fit_temperature(sure, np.array([0] * 49 + [2])) < 3


def test_calibration_error_on_four_samples_by_hand():
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.65, 0.35], [0.25, 0.75]], dtype=np.float32)
    # Two at 0.95, one of them right: gap 0.45. One at 0.65, right: 0.35. One at 0.75, wrong: 0.75.
    error = error_of(probabilities, np.array([0, 1, 0, 0]), n_bins=10)
    assert error == pytest.approx((2 * 0.45 + 0.35 + 0.75) / 4, abs=1e-6)
    assert error_of(probabilities[[0, 2]], np.zeros(2), n_bins=1) == pytest.approx(0.2, abs=1e-6)
    assert np.isnan(error_of(probabilities[:0], np.zeros(0)))


def test_sure_and_right_has_no_calibration_error():
    assert error_of(np.eye(3, dtype=np.float32), np.arange(3)) == 0
    assert error_of(np.eye(3, dtype=np.float32), np.array([1, 2, 0])) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: apply_temperature(p, 0.0), "temperature must be positive, got 0.0"),
        (lambda p: fit_temperature(p, np.array([0])), r"probabilities must be \(n, n_classes\) and labels \(n,\)"),
        (lambda p: fit_temperature(p, np.array([0, 2])), "labels must be from -1 to 1, got 0 to 2"),
        (lambda p: fit_temperature(p, np.array([0, 1]), 0.0), "prior_deviation must be positive"),
        (lambda p: fit_temperature(p, np.array([0, 1]), class_weights=np.ones(3)), "class_weights must be 2 numbers"),
        (lambda p: error_of(p, np.array([0, 1]), 0), "n_bins must be positive"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.full((2, 2), 0.5, dtype=np.float32))
