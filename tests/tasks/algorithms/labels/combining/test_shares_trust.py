import numpy as np
import pytest

from windrow.tasks.algorithms.labels.combining.label_shift import em_prior
from windrow.tasks.algorithms.labels.combining.shares_trust import OVERHANG, shares_trust, shares_variance
from windrow.tasks.algorithms.labels.combining.vector_scaling import apply_vector_scaling, fit_vector_scaling

MEANS = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]])
EQUAL = np.full(3, 1 / 3)


def drawn(rng, targets):
    """Probabilities of equal shares, of normal samples of these classes."""
    where = MEANS[targets] + rng.standard_normal((len(targets), 2))
    density = np.exp(-0.5 * ((where[:, None] - MEANS) ** 2).sum(axis=2))
    return (density / density.sum(axis=1, keepdims=True)).astype(np.float32)


def estimated(rng, each, shares):
    """All that a pool of 3,000 samples in these shares gives to `shares_trust`, with so many labels of a class."""
    targets = np.repeat(np.arange(3), each)
    held_out, pool = drawn(rng, targets), drawn(rng, rng.choice(3, 3000, p=shares))
    weights = np.full(3, 1 / each)
    scaling = fit_vector_scaling(held_out, targets, class_weights=weights)
    estimate = em_prior(apply_vector_scaling(pool, scaling), EQUAL)
    return estimate, EQUAL, held_out, targets, pool, weights


def test_the_variance_is_that_of_the_estimate_over_draws_of_the_labels():
    rng = np.random.default_rng(0)
    found = [estimated(rng, 60, EQUAL) for _ in range(30)]
    variance = np.mean([shares_variance(*each) for each in found[:10]])
    assert variance == pytest.approx(np.var([each[0] for each in found], axis=0).sum(), rel=0.5)


def test_trust_is_what_stands_out_of_the_variance():
    found = estimated(np.random.default_rng(1), 20, [0.7, 0.2, 0.1])
    distance = ((found[0] - EQUAL) ** 2).sum()
    assert 0 < shares_trust(*found) < 1
    assert shares_trust(*found) == pytest.approx(1 - OVERHANG * shares_variance(*found) / distance)


def test_a_long_tail_is_believed_with_many_labels_and_an_even_pool_is_left_even():
    rng = np.random.default_rng(2)
    assert shares_trust(*estimated(rng, 200, [0.8, 0.15, 0.05])) > 0.9
    assert sum(shares_trust(*estimated(rng, 5, EQUAL)) == 0 for _ in range(10)) >= 8


def test_nothing_is_believed_of_one_label_a_class_or_of_equal_shares():
    found = estimated(np.random.default_rng(3), 1, [0.8, 0.15, 0.05])
    assert shares_trust(*found) == 0
    even = estimated(np.random.default_rng(3), 9, EQUAL)
    assert shares_trust(EQUAL, *even[1:]) == 0


def test_permuting_rows_changes_nothing():
    estimate, equal, held_out, targets, pool, weights = estimated(np.random.default_rng(4), 8, [0.6, 0.3, 0.1])
    rng = np.random.default_rng(0)
    order, others = rng.permutation(len(targets)), rng.permutation(len(pool))
    plain = shares_trust(estimate, equal, held_out, targets, pool, weights)
    again = shares_trust(estimate, equal, held_out[order], targets[order], pool[others], weights)
    assert again == pytest.approx(plain, abs=1e-3)
