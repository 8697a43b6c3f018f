import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.labels.cores.logistic_probe import fit_logistic_probe
from windrow.tasks.algorithms.labels.cores.soft_probe import SoftProbeConfig, _Objective, fit_soft_probe
from windrow.tasks.algorithms.labels.probabilities import predict_rows

FEW = settings(max_examples=10, deadline=None)


def random_pool(seed, n=40, d=5, k=3):
    rng = np.random.default_rng(seed)
    pool = rng.standard_normal((n, d)).astype(np.float32)
    return pool, rng.dirichlet(np.ones(k), size=n).astype(np.float32)


def mean_entropy(shares):
    return -(shares * np.log(np.maximum(shares, 1e-9))).sum(axis=1).mean()


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.8]), st.sampled_from([0.0, 0.4]))
def test_the_gradient_is_that_of_the_loss(seed, balance, entropy):
    pool, targets = random_pool(seed, n=9)
    shares = np.random.default_rng(seed).dirichlet(np.ones(9))
    objective = _Objective(pool, targets.astype(np.float64), shares, SoftProbeConfig(0.1, balance, entropy))
    point = np.random.default_rng(seed).standard_normal(18)
    assert check_grad(lambda x: objective(x)[0], lambda x: objective(x)[1], point) < 1e-5


@FEW
@given(st.integers(0, 10_000))
def test_of_hard_labels_it_is_the_logistic_probe(seed):
    pool, targets = random_pool(seed)
    labels = targets.argmax(axis=1).astype(np.int64)
    plain = fit_logistic_probe(pool, labels, 3, 0.01, class_balanced=False).predict_proba(pool)
    soft = fit_soft_probe(pool, np.eye(3, dtype=np.float32)[labels], config=SoftProbeConfig(max_iters=500))
    np.testing.assert_allclose(soft.predict_proba(pool)[:, np.unique(labels)], plain[:, np.unique(labels)], atol=5e-3)


@FEW
@given(st.integers(0, 10_000))
def test_a_weight_is_a_number_of_copies_and_a_permutation_changes_nothing(seed):
    pool, targets = random_pool(seed)
    copies = np.random.default_rng(seed).integers(0, 3, size=40)
    copies[:2] = 1
    config = SoftProbeConfig(0.1, balance=0.5, max_iters=500)
    weighted = fit_soft_probe(pool, targets, copies.astype(np.float64), config)
    order = np.random.default_rng(seed).permutation(40)
    permuted = fit_soft_probe(pool[order], targets[order], copies[order].astype(np.float64), config)
    np.testing.assert_allclose(permuted.weights, weighted.weights, atol=1e-3)
    features = pool / np.linalg.norm(pool, axis=1, keepdims=True)
    repeated = _Objective(
        np.repeat(features, copies, axis=0).astype(np.float32),
        np.repeat(targets, copies, axis=0).astype(np.float64),
        np.full(copies.sum(), 1 / copies.sum()),
        config,
    )
    gradient = repeated(np.vstack([weighted.weights, weighted.bias]).ravel())[1]
    assert np.abs(gradient).max() < 1e-4


def test_entropy_makes_predictions_surer_and_balance_makes_their_mean_uniform():
    pool, targets = random_pool(3)
    lopsided = (targets * np.array([5, 1, 1])).astype(np.float32)
    lopsided /= lopsided.sum(axis=1, keepdims=True)
    plain, sure, balanced = (
        predict_rows(fit_soft_probe(pool, lopsided, config=config), pool)
        for config in (SoftProbeConfig(), SoftProbeConfig(entropy=0.4), SoftProbeConfig(balance=3.0))
    )
    assert mean_entropy(sure) < mean_entropy(plain)
    assert np.ptp(balanced.mean(axis=0)) < 0.7 * np.ptp(plain.mean(axis=0))


def test_the_number_of_threads_does_not_change_a_bit():
    pool, targets = random_pool(4, n=300, d=60)
    whole = fit_soft_probe(pool, targets).weights
    with threadpool_limits(1):
        np.testing.assert_array_equal(fit_soft_probe(pool, targets).weights, whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": np.ones((3, 2), np.float32)}, r"targets must have shape \(40, n_classes\), got \(3, 2\)"),
        ({"weights": np.zeros(40)}, "weights must be 40 finite numbers from 0, not all 0"),
    ],
)
def test_a_bad_call_names_the_argument(options, message):
    pool, targets = random_pool(0)
    with pytest.raises(ValueError, match=message):
        fit_soft_probe(**{"embeddings": pool, "targets": targets, **options})


def test_a_bad_config_names_the_field():
    for name, value in (("l2", 0.0), ("balance", -1.0), ("entropy", -1.0), ("max_iters", 0)):
        with pytest.raises(ValueError, match=name):
            SoftProbeConfig(**{name: value})
