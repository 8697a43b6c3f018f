import numpy as np
import pytest

from windrow.tasks.algorithms.labels.combining.label_shift import em_prior
from windrow.tasks.algorithms.labels.combining.prior_correction import correct_prior
from windrow.tasks.algorithms.labels.combining.shares_trust import shares_trust
from windrow.tasks.algorithms.labels.combining.vector_scaling import apply_vector_scaling
from windrow.tasks.algorithms.labels.deciding.everything import Everything
from windrow.tasks.algorithms.labels.deciding.fixed import Fixed
from windrow.tasks.algorithms.labels.deciding.policy import decide

TAILED = np.array([0.8, 0.15, 0.05])
MEANS = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]])


def tailed_pool(seed, labelled, n=6000, sharpened=1.0):
    """Truth, labels given class by class, and probabilities of equal shares (to a power: overconfident)."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, size=n, p=TAILED)
    density = np.exp(-0.5 * ((MEANS[truth] + rng.standard_normal((n, 2)))[:, None] - MEANS) ** 2).prod(axis=2)
    density **= sharpened
    labels = np.full(n, -1)
    for label in range(3):
        labels[np.flatnonzero(truth == label)[:labelled]] = label
    return truth, labels, (density / density.sum(axis=1, keepdims=True)).astype(np.float32)


def accuracy_and_confidence(truth, decision):
    there = ~decision.abstained
    return (decision.label == truth)[there].mean(), decision.confidence[there].mean()


def test_confidence_is_honest_again_in_a_long_tail():
    truth, labels, pool = tailed_pool(0, 400, n=20_000)
    fixed = Fixed(0.8)
    corrected = correct_prior(pool[labels >= 0], labels, pool)
    np.testing.assert_allclose(corrected.prior, TAILED, atol=0.06)
    before, claimed_before = accuracy_and_confidence(truth, decide(pool, fixed))
    after, claimed = accuracy_and_confidence(truth, decide(corrected.pool, fixed))
    assert abs(after - claimed) < 0.03 < abs(before - claimed_before)


def test_the_even_probabilities_find_more_of_each_class():
    truth, labels, pool = tailed_pool(1, 50)
    corrected = correct_prior(pool[labels >= 0], labels, pool)
    recall = [
        np.mean([(view.argmax(axis=1) == truth)[truth == label].mean() for label in range(3)])
        for view in (corrected.even, corrected.pool)
    ]
    assert recall[0] > recall[1] + 0.1
    given_ = decide(corrected.pool, Everything(), corrected.even.argmax(axis=1))
    np.testing.assert_array_equal(given_.label, corrected.even.argmax(axis=1))
    assert np.all(given_.confidence <= corrected.pool.max(axis=1))


def test_shares_are_believed_as_far_as_they_are_trusted():
    _, labels, pool = tailed_pool(2, 12)
    held_out, rest = pool[labels >= 0], labels < 0
    found, equal = correct_prior(held_out, labels, pool), np.full(3, 1 / 3)
    estimate = em_prior(found.even[rest], equal)
    trust = shares_trust(estimate, equal, held_out, labels[labels >= 0], pool[rest], np.full(3, 1 / 12))
    assert 0 < trust < 0.95
    np.testing.assert_allclose(found.prior, equal + trust * (estimate - equal), rtol=1e-6)


def test_a_temperature_softens_the_answer_and_leaves_the_shares():
    _, labels, pool = tailed_pool(3, 40)
    plain, softer = (correct_prior(pool[labels >= 0], labels, pool, temperature) for temperature in (1.0, 2.0))
    np.testing.assert_allclose(softer.prior, plain.prior)
    assert softer.even.max(axis=1).mean() < plain.even.max(axis=1).mean() - 0.1
    np.testing.assert_array_equal(softer.even.argmax(axis=1), plain.even.argmax(axis=1))
    np.testing.assert_allclose(apply_vector_scaling(pool, softer.scaling), softer.even, atol=1e-6)


def test_more_labels_of_one_class_do_not_pass_for_a_larger_class():
    _, labels, pool = tailed_pool(7, 300, n=20_000)
    fewer = labels.copy()
    fewer[np.flatnonzero(labels == 1)[30:]] = -1
    fewer[np.flatnonzero(labels == 2)[30:]] = -1
    found = correct_prior(pool[fewer >= 0], fewer, pool)
    assert np.ptp(found.scaling.bias) < 0.8


def test_an_even_pool_is_left_about_as_it_is_and_a_labelled_one_wholly():
    truth, _, pool = tailed_pool(4, 0, n=40_000)
    even = np.concatenate([np.flatnonzero(truth == label)[:1500] for label in range(3)])
    labels = np.where(np.arange(4500) % 4 == 0, truth[even], -1)
    np.testing.assert_allclose(correct_prior(pool[even][labels >= 0], labels, pool[even]).prior, 1 / 3, atol=0.04)
    everything = correct_prior(pool[even], truth[even], pool[even])
    np.testing.assert_allclose(everything.prior, 1 / 3)


def test_permuting_the_pool_permutes_the_answer():
    _, labels, pool = tailed_pool(4, 20, n=500)
    order = np.random.default_rng(0).permutation(500)
    plain = correct_prior(pool[labels >= 0], labels, pool)
    permuted = correct_prior(pool[order][labels[order] >= 0], labels[order], pool[order])
    np.testing.assert_allclose(permuted.pool, plain.pool[order], atol=1e-4)


def test_a_class_without_labels_gets_no_share():
    _, labels, pool = tailed_pool(5, 10, n=500)
    labels[labels == 2] = -1
    corrected = correct_prior(pool[labels >= 0], labels, pool)
    assert corrected.prior[2] == 0 and corrected.pool[:, 2].max() == 0
    assert corrected.prior.sum() == pytest.approx(1)


def test_bad_arguments_are_named():
    _, labels, pool = tailed_pool(6, 5, n=100)
    with pytest.raises(ValueError, match=r"held_out must be \(15, 3\)"):
        correct_prior(pool[:3], labels, pool)
    with pytest.raises(ValueError, match="labels must hold at least one label"):
        correct_prior(pool[:0], np.full(100, -1), pool)
