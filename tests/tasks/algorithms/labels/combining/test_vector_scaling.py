import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.combining.calibration import (
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
)
from windrow.tasks.algorithms.labels.combining.vector_scaling import (
    VectorScaling,
    apply_vector_scaling,
    fit_vector_scaling,
)

FEW = settings(max_examples=15, deadline=None)


def distributions(seed, n=50, n_classes=3):
    return np.random.default_rng(seed).dirichlet(np.ones(n_classes), size=n).astype(np.float32)


def draw_labels(probabilities, seed):
    cumulative = probabilities.astype(np.float64).cumsum(axis=1)
    draws = np.random.default_rng(seed).random((len(probabilities), 1)) * cumulative[:, -1:]
    return (draws > cumulative).sum(axis=1)


def test_scaling_two_classes_by_hand():
    scaling = VectorScaling(np.array([2.0, 1.0]), np.array([0.0, np.log(3)]))
    np.testing.assert_allclose(
        apply_vector_scaling(np.array([[0.5, 0.5]], np.float32), scaling), [[0.25 / 1.75, 1.5 / 1.75]], atol=1e-6
    )


@FEW
@given(st.integers(0, 10_000), st.floats(0.2, 5))
def test_one_scale_for_all_and_no_bias_is_a_temperature(seed, temperature):
    given_ = distributions(seed)
    scaling = VectorScaling(np.full(3, 1 / temperature), np.zeros(3))
    np.testing.assert_allclose(apply_vector_scaling(given_, scaling), apply_temperature(given_, temperature), atol=1e-6)


@FEW
@given(st.integers(0, 10_000))
def test_a_tight_prior_leaves_temperature_scaling_and_no_labels_change_nothing(seed):
    given_ = distributions(seed)
    labels = draw_labels(given_, seed)
    tight = fit_vector_scaling(given_, labels, 1e-5, 1e-5)
    np.testing.assert_allclose(tight.scale, 1 / fit_temperature(given_, labels), rtol=1e-4)
    np.testing.assert_allclose(tight.bias, 0, atol=1e-4)
    nothing = fit_vector_scaling(given_, np.full(50, -1))
    np.testing.assert_allclose(nothing.scale, 1, atol=1e-3)
    np.testing.assert_allclose(nothing.bias, 0, atol=1e-9)


def test_the_bias_that_distorted_the_probabilities_is_found_again():
    honest = distributions(1, n=20_000)
    labels = draw_labels(honest, 2)
    distorted = apply_vector_scaling(honest, VectorScaling(np.array([1.2, 0.9, 1.0]), np.array([1.0, -0.5, 0.0])))
    mended = apply_vector_scaling(distorted, fit_vector_scaling(distorted, labels))
    by_temperature = apply_temperature(distorted, fit_temperature(distorted, labels))
    np.testing.assert_allclose(mended, honest, atol=0.05)
    errors = [
        expected_calibration_error(each.max(axis=1), each.argmax(axis=1) == labels) for each in (mended, by_temperature)
    ]
    assert errors[0] < 0.02 < errors[1]


@pytest.mark.parametrize(("settings", "scale_deviation", "bias_deviation"), [((0.3, 0.5), 0.3, 0.5), ((), 0.1, 1.0)])
def test_no_other_scales_and_biases_cost_less(settings, scale_deviation, bias_deviation):
    given_ = distributions(7)
    labels = draw_labels(given_, 8)
    temperature = fit_temperature(given_, labels)
    found = fit_vector_scaling(given_, labels, *settings)

    def cost(scale, bias):
        scores = np.log(given_.astype(np.float64)) * scale + bias
        likelihoods = scores[np.arange(50), labels] - np.log(np.exp(scores).sum(axis=1))
        prior = ((scale * temperature - 1) ** 2).sum() / scale_deviation**2 + (bias**2).sum() / bias_deviation**2
        return prior / 2 - likelihoods.sum()

    rng = np.random.default_rng(9)
    for size in (0.003, 0.03, 0.3):
        for _ in range(30):
            other = size * rng.standard_normal((2, 3))
            assert cost(found.scale, found.bias) < cost(found.scale + other[0], found.bias + other[1])


def test_scales_are_held_to_a_tenth_and_biases_to_one():
    given_ = distributions(7)
    labels = draw_labels(given_, 8)
    usual, told = fit_vector_scaling(given_, labels), fit_vector_scaling(given_, labels, 0.1, 1.0)
    assert (usual.scale.tolist(), usual.bias.tolist()) == (told.scale.tolist(), told.bias.tolist())


def test_four_labels_bend_less_than_four_hundred():
    few = np.array([[0.6, 0.4]] * 4, dtype=np.float32)
    little = fit_vector_scaling(few, np.array([1, 1, 1, 0]))
    much = fit_vector_scaling(np.repeat(few, 100, axis=0), np.repeat([1, 1, 1, 0], 100))
    assert 0 < little.bias[1] < much.bias[1]


def test_the_order_of_the_labels_does_not_matter():
    given_ = distributions(3)
    labels, order = draw_labels(given_, 4), np.random.default_rng(5).permutation(50)
    plain, permuted = fit_vector_scaling(given_, labels), fit_vector_scaling(given_[order], labels[order])
    np.testing.assert_allclose(permuted.scale, plain.scale, atol=1e-5)
    np.testing.assert_allclose(permuted.bias, plain.bias, atol=1e-5)


def test_a_class_without_weight_says_nothing():
    given_, labels = distributions(6), np.repeat([0, 1], 25)
    weighted = fit_vector_scaling(given_, labels, class_weights=np.array([1.0, 0, 0]))
    alone = fit_vector_scaling(given_[:25], labels[:25])
    np.testing.assert_allclose(weighted.bias, alone.bias, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _: VectorScaling(np.array([0.0, 1]), np.zeros(2)), r"scale \(positive\) and bias"),
        (
            lambda p: apply_vector_scaling(p, VectorScaling(np.ones(3), np.zeros(3))),
            "probabilities must have 3 columns",
        ),
        (lambda p: fit_vector_scaling(p, np.array([0, 1]), scale_deviation=0), "scale_deviation must be positive"),
        (lambda p: fit_vector_scaling(p, np.array([0, 1]), bias_deviation=0), "bias_deviation must be positive"),
        (lambda p: fit_vector_scaling(p, np.array([0, 2])), "labels must be from -1 to 1"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.full((2, 2), 0.5, dtype=np.float32))
