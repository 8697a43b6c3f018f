import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from noisy_labels import below, f1

from windrow.tasks.algorithms.labels.judging.transition_table import fit_noise_transition, fit_tempered_transition
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


def drawn(seed, n=6000, n_classes=3, concentration=0.2):
    """Calibrated predictions, the truth drawn from them, labels drawn by a table."""
    rng = np.random.default_rng(seed)
    dense = rng.dirichlet(np.full(n_classes, concentration), n).astype(np.float32)
    table = 0.7 * np.eye(n_classes) + 0.3 * np.roll(np.eye(n_classes), 1, axis=1)
    truth = (rng.random(n)[:, None] > dense.cumsum(axis=1)).sum(axis=1).clip(0, n_classes - 1)
    labels = (rng.random(n)[:, None] > table[truth].cumsum(axis=1)).sum(axis=1).clip(0, n_classes - 1)
    return dense, table, truth, labels


def em_by_hand(dense, labels, rounds=60):
    n_classes = dense.shape[1]
    table = np.full((n_classes, n_classes), 0.3 / (n_classes - 1))
    np.fill_diagonal(table, 0.7)
    for _ in range(rounds):
        shares = dense * table[:, labels].T
        shares /= shares.sum(axis=1, keepdims=True)
        counts = np.stack([shares[labels == label].sum(axis=0) for label in range(n_classes)], axis=1)
        counts += 0.01 * np.eye(n_classes) + 1e-4 / n_classes
        table = counts / counts.sum(axis=1, keepdims=True)
    return table


def test_the_table_that_made_the_labels_is_found():
    dense, table, truth, labels = drawn(0)
    found = fit_tempered_transition(SparseProbabilities.of(dense, 3), labels)
    np.testing.assert_allclose(found.transition, table, atol=0.05)
    np.testing.assert_allclose(found.transition.sum(axis=1), 1)
    assert 0.8 < found.temperature < 1.2
    # A posterior is a probability: of labels given p, about p are right.
    sure = found.posterior > 0.8
    assert abs((labels == truth)[sure].mean() - found.posterior[sure].mean()) < 0.03
    assert below(found.posterior, labels != truth) > 0.8 and f1(found.judge().noisy, labels != truth) > 0.7


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_sparse_rows_give_what_their_dense_rows_give(seed, k):
    dense, _, _, labels = drawn(seed, 60, 5)
    sparse = SparseProbabilities.of(dense, k)
    found = fit_noise_transition(sparse, labels)
    np.testing.assert_allclose(found.transition, em_by_hand(sparse.dense().astype(float), labels), atol=2e-4)
    likelihood = (sparse.dense() * found.transition[:, labels].T).sum(axis=1)
    np.testing.assert_allclose(found.log_likelihood, np.log(likelihood).sum(), rtol=1e-3)


def test_predictions_that_are_too_flat_are_sharpened():
    dense, _, _, labels = drawn(1)
    flat = dense**0.5
    flat /= flat.sum(axis=1, keepdims=True)
    found = fit_tempered_transition(SparseProbabilities.of(flat, 3), labels)
    assert 0.4 < found.temperature < 0.6


def test_right_labels_of_sure_predictions_are_right():
    dense = np.eye(3, dtype=np.float32)[np.arange(30) % 3]
    found = fit_noise_transition(SparseProbabilities.of(dense, 3), np.arange(30) % 3)
    assert (found.posterior > 0.999).all()
    assert found.transition.diagonal().min() > 0.99


def test_a_class_that_nobody_saw_stays_its_own():
    dense = np.zeros((20, 4), np.float32)
    dense[:, :2] = np.eye(2)[np.arange(20) % 2]
    found = fit_noise_transition(SparseProbabilities.of(dense, 2), np.arange(20) % 2)
    assert np.isfinite(found.transition).all() and found.transition[3].argmax() == 3


def test_a_bad_call_names_the_argument():
    with pytest.raises(ValueError, match="labels must be from 0 to 1"):
        fit_noise_transition(SparseProbabilities.of(np.full((2, 2), 0.5, np.float32), 2), np.array([0, 2]))
