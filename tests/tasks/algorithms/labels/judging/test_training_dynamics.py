import numpy as np
import pytest
from noisy_labels import below, f1, noisy_blobs

from windrow.tasks.algorithms.labels.checks.aum import (
    area_under_margin,
    judge_by_margin,
    threshold_verdict,
)
from windrow.tasks.algorithms.labels.checks.early_learning import (
    early_learning_targets,
    judge_by_target,
    softmax_epochs,
)
from windrow.tasks.algorithms.labels.checks.el2n import el2n_score
from windrow.tasks.algorithms.labels.checks.grand import last_layer_grand_score
from windrow.tasks.algorithms.labels.judging.dynamics_probe import ProbeTraining, probe_epochs, probe_features
from windrow.tasks.algorithms.labels.judging.training_dynamics import TrainingDynamics, record_dynamics

SHORT = ProbeTraining(n_epochs=15, n_seeds=2)


def run_of(pool, labels, seed=0):
    return list(probe_epochs(probe_features(pool), labels, 3, seed, SHORT))


def test_the_record_of_two_epochs_worked_by_hand():
    epochs = [np.array([[0.0, 0.0], [0.0, 0.0]]), np.log(np.array([[3.0, 1.0], [3.0, 1.0]]))]
    dynamics = record_dynamics([epochs], np.array([0, 1]))
    np.testing.assert_allclose(dynamics.margin[0], [[0, 0], [np.log(3), -np.log(3)]], atol=1e-6)
    np.testing.assert_allclose(dynamics.loss[0, 1], [-np.log(0.75), -np.log(0.25)], rtol=1e-6)
    np.testing.assert_allclose(dynamics.error_norm[0, 1], [0.25 * 2**0.5, 0.75 * 2**0.5], rtol=1e-6)
    np.testing.assert_allclose(area_under_margin(dynamics), [np.log(3) / 2, -np.log(3) / 2], rtol=1e-6)
    np.testing.assert_allclose(el2n_score(dynamics, 1), [-0.25 * 2**0.5, -0.75 * 2**0.5], rtol=1e-6)


def test_grand_of_the_last_layer_is_the_norm_of_its_gradient():
    rng = np.random.default_rng(0)
    inputs, weights, labels = rng.standard_normal((6, 5)), rng.standard_normal((5, 3)), np.arange(6) % 3
    logits = inputs @ weights
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gradients = [np.outer(h, p - np.eye(3)[y]) for h, p, y in zip(inputs, shares, labels, strict=True)]
    score = last_layer_grand_score(record_dynamics([[logits]], labels), inputs, 0)
    np.testing.assert_allclose(score, [-np.linalg.norm(gradient) for gradient in gradients], rtol=1e-5)


def test_the_first_step_is_a_gradient_step():
    pool, labels, _ = noisy_blobs(60)
    features, config = probe_features(pool), ProbeTraining(n_epochs=1, learning_rate=0.5, early_epoch=0)
    weights = np.random.default_rng(7).normal(0, 0.1, (features.shape[1], 3))
    shares = np.exp(features @ weights)
    shares /= shares.sum(axis=1, keepdims=True)
    # Nesterov's look ahead is at the first weights while nothing moves.
    stepped = weights - 0.5 * features.T @ (shares - np.eye(3)[labels]) / 60
    np.testing.assert_allclose(next(probe_epochs(features, labels, 3, 7, config)), features @ stepped, atol=1e-5)


def test_our_probe_finds_wrong_labels_by_every_record():
    pool, labels, truth = noisy_blobs()
    wrong = labels != truth
    dynamics = record_dynamics([run_of(pool, labels, seed) for seed in range(2)], labels)
    assert dynamics.margin.shape == (2, 15, 300)
    scores = [area_under_margin(dynamics), el2n_score(dynamics), last_layer_grand_score(dynamics, pool)]
    assert all(below(score, wrong) > 0.9 for score in scores)
    judged = judge_by_target(early_learning_targets(softmax_epochs(run_of(pool, labels))), labels)
    assert below(judged.score, wrong) > 0.9 and f1(judged.noisy, wrong) > 0.8


def test_every_sample_is_judged_against_threshold_samples():
    pool, labels, truth = noisy_blobs(400)
    judged = judge_by_margin(pool, labels, 3, SHORT)
    assert np.isfinite(judged.score).all()
    assert below(judged.score, labels != truth) > 0.9
    assert judged.noisy[labels != truth].mean() > 0.8 and judged.noisy[labels == truth].mean() < 0.05
    again = judge_by_margin(pool, labels, 3, SHORT)
    np.testing.assert_array_equal(judged.score, again.score)


def test_the_cut_is_a_threshold_sample_and_they_are_not_judged():
    aum = np.array([-2.0, -1.0, 0.5, 3.0], np.float32)
    assert threshold_verdict(aum, np.array([False, True, False, False])).tolist() == [True, False, False, False]
    assert threshold_verdict(aum, np.array([False, False, True, False])).tolist() == [True, True, False, False]


def test_permuting_the_pool_permutes_the_dynamics():
    pool, labels, _ = noisy_blobs(200)
    order = np.random.default_rng(1).permutation(200)
    plain, permuted = run_of(pool, labels), run_of(pool[order], labels[order])
    np.testing.assert_allclose(permuted[-1], plain[-1][order], atol=1e-3)


def test_targets_without_momentum_are_the_last_prediction_and_of_one_prediction_that_prediction():
    rng = np.random.default_rng(0)
    predictions = [rng.dirichlet(np.ones(4), 9) for _ in range(5)]
    np.testing.assert_allclose(early_learning_targets(predictions, 0.0), predictions[-1], atol=1e-6)
    np.testing.assert_allclose(early_learning_targets(predictions[:1] * 5), predictions[0], atol=1e-6)
    np.testing.assert_allclose(early_learning_targets(predictions).sum(axis=1), 1, atol=1e-6)
    by_hand = 0.7 * predictions[0] + 0.3 * predictions[1]
    np.testing.assert_allclose(early_learning_targets(predictions[:2]), by_hand, atol=1e-6)


def test_imported_records_need_not_be_whole():
    dynamics = TrainingDynamics(loss=np.ones((1, 2, 3), np.float32))
    with pytest.raises(ValueError, match="dynamics must hold margin"):
        area_under_margin(dynamics)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TrainingDynamics(), "must be given"),
        (lambda: TrainingDynamics(np.ones((1, 2, 3)), np.ones((1, 2, 4))), "loss must have the shape"),
        (lambda: TrainingDynamics(np.full((1, 1, 2), np.nan)), "margin must be finite, row 0"),
        (lambda: record_dynamics([[np.ones((2, 2))], [np.ones((2, 2))] * 2], np.array([0, 1])), "same number"),
        (lambda: record_dynamics([[np.ones((2, 1))]], np.array([0, 0])), "two classes or more"),
        (lambda: el2n_score(TrainingDynamics(error_norm=np.ones((1, 2, 3))), 2), "epoch must be from 0 to 1, got 2"),
        (lambda: ProbeTraining(n_epochs=0), "n_epochs: wants 1 or more, got 0"),
        (lambda: ProbeTraining(n_epochs=9), "early_epoch: wants 0 to below the 9 epochs, got 9"),
        (lambda: early_learning_targets([]), "one epoch or more"),
        (lambda: early_learning_targets([np.ones((1, 2))], 1.0), "beta must be from 0"),
        (lambda: judge_by_margin(np.ones((3, 2)), np.array([0, 1, 2]), 3), "at least n_classes"),
        (lambda: threshold_verdict(np.ones(2), np.zeros(2, bool)), "one sample or more"),
        (lambda: threshold_verdict(np.ones(2), np.ones(2, bool), 101), "percentile must be from 0 to 100"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
