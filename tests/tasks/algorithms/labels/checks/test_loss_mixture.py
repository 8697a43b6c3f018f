import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from noisy_labels import f1
from scipy.stats import beta

from windrow.tasks.algorithms.labels.checks.loss_mixture import (
    Mixture,
    fit_loss_mixture,
    judge_by_loss,
    normalised_losses,
)


def two_heaps(seed, n=2000, share=0.3):
    rng = np.random.default_rng(seed)
    noisy = rng.random(n) < share
    return np.where(noisy, rng.beta(8, 3, n), rng.beta(2, 12, n)), noisy


@pytest.mark.parametrize("family", ["beta", "gaussian"])
def test_both_heaps_are_found(family):
    loss, noisy = two_heaps(0)
    judged = judge_by_loss(loss, family)
    assert f1(judged.noisy, noisy) > 0.95
    assert judged.score.dtype == np.float32 and (judged.score >= 0).all() and (judged.score <= 1).all()


def test_the_fit_is_of_the_moments_that_made_the_losses():
    loss, noisy = two_heaps(1, 20_000)
    mixture = fit_loss_mixture(loss)
    assert mixture.family == "beta"
    np.testing.assert_allclose(mixture.mean, [2 / 14, 8 / 11], atol=0.01)
    np.testing.assert_allclose(mixture.weight[1], noisy.mean(), atol=0.02)
    at = np.linspace(mixture.mean[0], 0.9, 20)
    shares = [
        weight * beta.pdf(at, mean * (mean * (1 - mean) / var - 1), (1 - mean) * (mean * (1 - mean) / var - 1))
        for weight, mean, var in zip(mixture.weight, mixture.mean, mixture.variance, strict=True)
    ]
    np.testing.assert_allclose(mixture.noise_posterior(at), shares[1] / (shares[0] + shares[1]), atol=1e-9)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from(["beta", "gaussian"]))
def test_a_larger_loss_is_never_likelier_right_whatever_the_order_or_scale(seed, family):
    rng = np.random.default_rng(seed)
    loss = rng.exponential(size=80) ** 2
    order = rng.permutation(80)
    score = judge_by_loss(loss, family).score
    assert (np.diff(score[np.argsort(loss)]) <= 1e-7).all()
    np.testing.assert_allclose(judge_by_loss(3 + 7 * loss[order], family).score, score[order], atol=1e-5)


def test_losses_of_one_value_among_others_fall_back_to_gaussians():
    mixture = fit_loss_mixture(np.concatenate([np.full(50, 0.1), np.linspace(0.7, 0.9, 50)]))
    assert mixture.family == "gaussian"
    np.testing.assert_allclose(mixture.mean, [0.1, 0.8], atol=1e-4)
    assert mixture.noise_posterior(np.array([0.1, 0.75])).round(3).tolist() == [0, 1]


def test_the_wider_component_takes_neither_end():
    at = np.linspace(0.01, 0.99, 50)
    for variance in ([0.04, 0.001], [0.001, 0.04]):
        mixture = Mixture("gaussian", np.array([0.3, 0.6]), np.array(variance), np.array([0.7, 0.3]))
        posterior = mixture.noise_posterior(at)
        assert (np.diff(posterior) >= 0).all()
        assert posterior[0] < 0.5 < posterior[-1]


def test_equal_losses_are_all_clean():
    judged = judge_by_loss(np.full(20, 0.7))
    assert not judged.noisy.any() and (judged.score == 1).all()


def test_a_bad_call_names_the_argument():
    with pytest.raises(ValueError, match="loss must be finite"):
        normalised_losses(np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="family must be 'beta' or 'gaussian', got 'gamma'"):
        judge_by_loss(np.ones(3), "gamma")
    with pytest.raises(ValueError, match=r"normalised must be between 0 and 1, got 0\.5 to 2\.0"):
        fit_loss_mixture(np.array([0.5, 2.0]))
