import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.cores.self_training import self_train
from windrow.tasks.algorithms.labels.cores.sinkhorn import scale, scaled_rows
from windrow.tasks.algorithms.labels.cores.soft_probe import SoftProbeConfig, fit_soft_probe
from windrow.tasks.algorithms.labels.iterative_labels import IterativeLabels, label_weights
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.labels.makers.depict import Depict, depict_targets
from windrow.tasks.algorithms.labels.probabilities import predict_rows

FEW = settings(max_examples=10, deadline=None)


def random_pool(seed, n=60, d=6, k=3):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % k
    pool = (3 * np.eye(d)[truth] + rng.standard_normal((n, d))).astype(np.float32)
    start = (0.2 + np.eye(k)[truth] + rng.dirichlet(np.ones(k), size=n)).astype(np.float32)
    return pool, start / start.sum(axis=1, keepdims=True), truth.astype(np.int64)


ARAZO = SoftProbeConfig(l2=0.001, balance=0.8, entropy=0.4)


def iterative_labels(embeddings, start, labels, **settings):
    pool = LabelPool(embeddings, start.shape[1])
    return IterativeLabels(**settings).trained(pool, lambda *_: start, labels)


def depict_objective(targets, probabilities):
    """Mean KL(q_i || p_i) + KL(mean q || uniform), equation 5 of the paper with its uniform prior."""
    q, p = targets.astype(np.float64), probabilities.astype(np.float64)
    mean = q.mean(axis=0)
    return (q * np.log(q / p)).sum() / len(q) + (mean * np.log(mean * len(mean))).sum()


def test_labelled_samples_have_their_share_and_every_class_the_same_of_it():
    labels = np.array([0, 0, 0, 2, -1, -1])
    np.testing.assert_allclose(label_weights(labels, 0.6), [0.1, 0.1, 0.1, 0.3, 0.2, 0.2])
    np.testing.assert_allclose(label_weights(np.array([0, 1, 1]), 0.6), [0.5, 0.25, 0.25])
    np.testing.assert_allclose(label_weights(np.array([-1, -1]), 0.6), [0.5, 0.5])


def test_a_round_is_a_probe_fitted_to_the_last_predictions_and_the_labels():
    pool, start, truth = random_pool(0)
    labels = np.where(np.arange(60) < 9, truth, -1)
    rounds = iterative_labels(pool, start, labels, n_rounds=2, labelled_share=0.3)
    weights = label_weights(labels, 0.3)

    def with_labels(shares):
        return np.where(labels[:, None] >= 0, np.eye(3)[labels], shares).astype(np.float32)

    first = fit_soft_probe(pool, with_labels(start), weights, ARAZO)
    second = fit_soft_probe(pool, with_labels(predict_rows(first, pool)), weights, ARAZO, first)
    np.testing.assert_array_equal(rounds.kept[1].dense(), predict_rows(first, pool))
    np.testing.assert_array_equal(rounds.probabilities, predict_rows(second, pool))
    np.testing.assert_array_equal(rounds.probe.weights, second.weights)


def test_every_round_is_kept_the_start_first():
    pool, start, truth = random_pool(1)
    rounds = iterative_labels(pool, start, truth, n_rounds=4)
    assert [each.classes.shape for each in rounds.kept] == [(60, 3)] * 5
    np.testing.assert_array_equal(rounds.kept[0].classes[:, 0], start.argmax(axis=1))
    np.testing.assert_array_equal(rounds.kept[-1].classes[:, 0], rounds.probabilities.argmax(axis=1))


def test_a_relabelling_sees_the_number_of_the_round_and_the_last_predictions():
    pool, start, _ = random_pool(2)
    seen = []

    def relabel(number, shares):
        seen.append((number, shares))
        return shares, np.ones(60)

    rounds = self_train(pool, start, relabel, 3)
    assert [number for number, _ in seen] == [0, 1, 2]
    assert seen[0][1] is start
    np.testing.assert_array_equal(rounds.kept[2].dense(), seen[2][1])


def test_wrong_labels_of_the_start_are_righted():
    pool, start, truth = random_pool(3)
    start[::7] = np.roll(start[::7], 1, axis=1)
    labels = np.where((np.arange(60) < 6), truth, -1)
    rounds = iterative_labels(pool, start, labels)
    assert (rounds.probabilities.argmax(axis=1) == truth).mean() > (start.argmax(axis=1) == truth).mean()


@FEW
@given(st.integers(0, 10_000))
def test_permuting_the_pool_permutes_the_labels(seed):
    pool, start, truth = random_pool(seed)
    labels = np.where(np.arange(60) < 9, truth, -1)
    order = np.random.default_rng(seed).permutation(60)
    # A strong l2 and long fits, so that both orders come to the same minimum.
    long = {"n_rounds": 2, "l2": 0.1, "balance": 0.8, "entropy": 0.0, "max_iters": 500}
    plain = iterative_labels(pool, start, labels, **long).probabilities
    permuted = iterative_labels(pool[order], start[order], labels[order], **long).probabilities
    np.testing.assert_allclose(permuted, plain[order], atol=1e-3)


def test_depicts_targets_of_two_samples_by_hand():
    shares = np.array([[0.8, 0.2], [0.64, 0.36]], np.float32)  # sums 1.44 and 0.56, roots 1.2 and 0.748
    first = np.array([0.8 / 1.2, 0.2 / np.sqrt(0.56)])
    np.testing.assert_allclose(depict_targets(shares)[0], first / first.sum(), rtol=1e-5)


def test_depicts_targets_of_balanced_probabilities_are_those():
    shares = np.array([[0.9, 0.1], [0.1, 0.9]], np.float32)
    np.testing.assert_allclose(depict_targets(shares), shares, atol=1e-6)


@FEW
@given(st.integers(0, 10_000))
def test_depicts_targets_nearly_minimise_its_objective_and_sinkhorn_of_power_a_half_does(seed):
    shares = np.random.default_rng(seed).dirichlet([4, 1, 1], size=20).astype(np.float32)

    def logs(rows):
        return np.log(shares[rows].astype(np.float64))

    scaling = scale(logs, np.full(20, 0.05), np.full(3, 1 / 3), np.full(3, 0.5), tolerance=1e-10)
    least = np.concatenate([20 * np.exp(block) for _, block in scaled_rows(logs, scaling)]).astype(np.float32)
    lowest, near, before = (depict_objective(q, shares) for q in (least, depict_targets(shares), shares))
    nudged = least * np.exp(0.1 * np.random.default_rng(seed).standard_normal(least.shape)).astype(np.float32)
    assert lowest <= near + 1e-6 and near < before
    assert lowest < depict_objective(nudged / nudged.sum(axis=1, keepdims=True), shares)


def test_depict_lifts_the_small_cluster_round_by_round():
    pool, start, _ = random_pool(5)
    lopsided = start * np.array([1, 1, 0.5], np.float32)
    lopsided /= lopsided.sum(axis=1, keepdims=True)
    relabel = Depict().relabel(None, None)
    rounds = self_train(pool, lopsided.astype(np.float32), relabel, 3)
    assert rounds.probabilities[:, 2].mean() > lopsided[:, 2].mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": np.full(60, -1)}, "at least one label"),
        ({"start": np.zeros((9, 3), np.float32)}, "one entry for each of the 9 rows, got 60"),
    ],
)
def test_a_bad_call_names_the_argument(options, message):
    pool, start, truth = random_pool(0)
    with pytest.raises(ValueError, match=message):
        iterative_labels(**{"embeddings": pool, "start": start, "labels": truth, **options})
