"""The methods that train a probe of their own: noise-ignorant, cross-split, LSA, RCAL."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from noisy_labels import below, f1, noisy_blobs

from windrow.tasks.algorithms.labels.checks.cross_split import cross_split, label_divergence, mix_labels
from windrow.tasks.algorithms.labels.checks.linear_separation import judge_by_side
from windrow.tasks.algorithms.labels.checks.long_tail_calibration import (
    _draw,
    tail_calibrated_probe,
)
from windrow.tasks.algorithms.labels.checks.loss_mixture import judge_by_loss
from windrow.tasks.algorithms.labels.checks.noise_ignorant_probe import NoiseIgnorantProbe, ignore_noise
from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe
from windrow.tasks.algorithms.labels.judging.judged_labels import JudgedLabels, probe_out_of_sample
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


def test_ignoring_noise_corrects_it():
    pool, labels, truth = noisy_blobs(rate=0.3)
    l2, predictions = ignore_noise(pool, labels, 3, (1.0, 0.01))
    assert (predictions.classes[:, 0] == truth).mean() > 0.95 > (labels == truth).mean()
    assert l2 in (1.0, 0.01)
    judged = NoiseIgnorantProbe((1.0, 0.01)).judge(JudgedLabels(pool, labels, 3))
    assert below(judged.score, labels != truth) > 0.95 and f1(judged.noisy, labels != truth) > 0.9


def test_the_strength_chosen_predicts_the_labels_best():
    pool, labels, _ = noisy_blobs(rate=0.3)
    losses = {}
    for l2 in (100.0, 0.01):
        own = probe_out_of_sample(pool, labels, 3, l2).of_class(labels)
        losses[l2] = -np.log(own).mean()
    assert ignore_noise(pool, labels, 3, (100.0, 0.01))[0] == min(losses, key=losses.get) == 0.01


def test_what_is_left_out_is_predicted_and_never_learnt():
    pool, labels, _ = noisy_blobs()
    left_out = np.arange(300) % 4 == 0
    changed = np.where(left_out, (labels + 1) % 3, labels)
    folds_kept = probe_out_of_sample(pool, labels, 3, 0.01, left_out=left_out)
    assert len(folds_kept) == 300
    only = logistic_probe(pool, np.where(left_out, -1, labels), 3, l2=0.01)
    np.testing.assert_array_equal(only, logistic_probe(pool, np.where(left_out, -1, changed), 3, l2=0.01))
    assert not np.array_equal(folds_kept.dense(), probe_out_of_sample(pool, labels, 3, 0.01).dense())


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_the_divergence_is_jensen_and_shannons(seed):
    shares = np.random.default_rng(seed).dirichlet(np.ones(4))
    one_hot = np.eye(4)[1]
    middle = (one_hot + shares) / 2
    expected = 0.5 * np.log2(1 / middle[1]) + 0.5 * (shares * np.log2(shares / middle)).sum()
    np.testing.assert_allclose(label_divergence(shares[1:2]), [expected], atol=1e-12)
    np.testing.assert_allclose(label_divergence(np.array([0.0, 1.0])), [1.0, 0.0], atol=1e-15)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_mixed_labels_lie_between_the_label_and_the_prediction(seed, k):
    rng = np.random.default_rng(seed)
    sparse = SparseProbabilities.of(rng.dirichlet(np.ones(4), 30).astype(np.float32), 4)
    labels = rng.integers(0, 4, 30)
    found = mix_labels(sparse, labels)
    weight = 1.0 - found.judgement.score.astype(np.float64)[:, None]
    np.testing.assert_allclose(
        found.mixed.dense(), (1 - weight) * np.eye(4)[labels] + weight * sparse.dense(), atol=1e-6
    )
    fewer = mix_labels(SparseProbabilities.of(sparse.dense(), k), labels).mixed
    np.testing.assert_allclose(fewer.dense().sum(axis=1), 1, atol=1e-5)
    assert (np.diff(fewer.probabilities, axis=1) <= 0).all()
    for label in np.unique(labels):
        own = found.judgement.score[labels == label]
        assert own.max() == 1 and (own.min() == 0 or len(own) == 1)


def test_halves_find_what_is_wrong_in_each_other():
    pool, labels, truth = noisy_blobs()
    found = cross_split(pool, labels, 3, l2=0.01)
    assert below(found.judgement.score, labels != truth) > 0.95
    assert (found.mixed.classes[:, 0] == truth).mean() > (labels == truth).mean()


def test_the_two_scores_of_separation_differ_and_each_sees_its_own():
    pool, _, _ = noisy_blobs(400, rate=0)
    strange = np.arange(400) % 5 == 0
    pool[strange] += np.array([0, 0, 0, 0, 6, 6, 0, 0], np.float32)
    loss = np.random.default_rng(0).gamma(2, 0.1, 400) + strange
    hidden = np.flatnonzero(strange)[:5]
    loss[hidden] = 0.05
    linear, small_loss = judge_by_side(pool, loss), judge_by_loss(loss, "gaussian")
    assert linear.noisy[hidden].all() and not small_loss.noisy[hidden].any()
    assert f1(linear.noisy, strange) > 0.9
    assert not judge_by_side(pool, np.ones(400)).noisy.any()


def test_draws_have_the_mean_and_covariance_of_their_classes():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((40, 3)) * [1, 2, 3] + 1, rng.standard_normal((90, 3)) - 5
    draws = _draw([(0.7, a), (0.3, b)], 40_000, 0.5, rng)
    np.testing.assert_allclose(draws.mean(axis=0), 0.7 * a.mean(axis=0) + 0.3 * b.mean(axis=0), atol=0.06)
    expected = 0.7 * np.cov(a.T, bias=True) + 0.3 * np.cov(b.T, bias=True) + 0.25 * np.eye(3)
    np.testing.assert_allclose(np.cov(draws.T), expected, atol=0.2)


def test_a_tail_class_gains_from_the_calibration():
    pool, labels, truth = noisy_blobs(400, rate=0)
    rare = np.flatnonzero(truth == 2)
    labels[rare[4:]] = -1
    recall = (tail_calibrated_probe(pool, labels, 3).argmax(axis=1) == 2)[rare].mean()
    assert recall > 0.8
    shares = tail_calibrated_probe(pool, labels, 4, rows=np.array([3, 1]))
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert (shares[:, 3] == 0).all()
    np.testing.assert_array_equal(shares, tail_calibrated_probe(pool, labels, 4)[[3, 1]])


def test_balanced_classes_without_outliers_are_the_plain_probe():
    pool, labels, _ = noisy_blobs(60, rate=0)
    plain = logistic_probe(pool / np.linalg.norm(pool, axis=1, keepdims=True), labels, 3, l2=0.01)
    np.testing.assert_allclose(tail_calibrated_probe(pool, labels, 3, l2=0.01), plain, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ignore_noise(np.ones((2, 2)), np.array([0, 1]), 2, ()), "strengths must be one or more"),
        (lambda: ignore_noise(np.ones((2, 2)), np.array([0, -1]), 2), "labels must be from 0 to 1"),
        (lambda: judge_by_side(np.ones((2, 2)), np.ones(3)), r"loss must have shape \(2,\)"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
