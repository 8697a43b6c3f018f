import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from windrow.tasks.algorithms.labels.makers.latent_label_shift import latent_label_shift, source_probabilities

MIXING = np.array([[0.7, 0.1, 0.1, 0.3], [0.2, 0.8, 0.1, 0.3], [0.1, 0.1, 0.8, 0.4]])


def pool_of_sources(seed, n=2500, mixing=MIXING, sizes=None):
    """Three classes, well apart, in four sources with these proportions: embeddings, sources, truth."""
    rng = np.random.default_rng(seed)
    sources = rng.choice(mixing.shape[1], size=n, p=sizes)
    truth = (rng.random(n)[:, None] > np.cumsum(mixing.T[sources], axis=1)).sum(axis=1)
    pool = rng.standard_normal((n, 8)) + 8 * np.eye(8)[truth]
    return pool.astype(np.float32), sources, truth


def matched(found, truth, n_classes=3):
    """For each true class the found one."""
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (truth, found), 1)
    return linear_sum_assignment(counts, maximize=True)[1]


@pytest.mark.parametrize("sizes", [None, [0.55, 0.15, 0.15, 0.15]])
def test_the_proportions_and_the_classes_are_recovered_up_to_their_order(sizes):
    pool, sources, truth = pool_of_sources(0, sizes=sizes)
    shift = latent_label_shift(source_probabilities(pool, sources, 4), sources, 3)
    order = matched(shift.probabilities.argmax(axis=1), truth)
    np.testing.assert_allclose(shift.class_given_source[order], MIXING, atol=0.05)
    np.testing.assert_allclose(shift.source_given_class[:, order], (MIXING / MIXING.sum(axis=1)[:, None]).T, atol=0.05)
    assert (order[truth] == shift.probabilities.argmax(axis=1)).mean() > 0.93
    np.testing.assert_allclose(shift.probabilities.sum(axis=1), 1, atol=1e-6)
    # A source alone, by its most frequent class, tells 0.7 of them.
    assert (MIXING.argmax(axis=0)[sources] == truth).mean() < 0.75


def test_with_the_true_discriminator_the_answer_is_bayes_rule():
    rng = np.random.default_rng(1)
    sources = rng.integers(4, size=4000)
    truth = (rng.random(4000)[:, None] > np.cumsum(MIXING.T[sources], axis=1)).sum(axis=1)
    exact = (MIXING / MIXING.sum(axis=1)[:, None])[truth].astype(np.float32)
    shift = latent_label_shift(exact, sources, 3)
    order = matched(shift.probabilities.argmax(axis=1), truth)
    np.testing.assert_allclose(shift.class_given_source[order], MIXING, atol=0.04)
    np.testing.assert_array_equal(order[truth], shift.probabilities.argmax(axis=1))


def test_between_two_classes_a_samples_own_source_decides():
    rng = np.random.default_rng(4)
    sources = np.concatenate([rng.integers(4, size=4000), np.arange(4)])
    truth = (rng.random(4000)[:, None] > np.cumsum(MIXING.T[sources[:4000]], axis=1)).sum(axis=1)
    of_class = MIXING / MIXING.sum(axis=1)[:, None]
    # The last four look like class 0 as much as like class 1, one in each source.
    discriminator = np.concatenate([of_class[truth], np.tile(of_class[:2].mean(axis=0), (4, 1))])
    shift = latent_label_shift(discriminator.astype(np.float32), sources, 3)
    order = matched(shift.probabilities[:4000].argmax(axis=1), truth)
    expected = of_class[0] / of_class[:2].sum(axis=0)
    np.testing.assert_allclose(shift.probabilities[-4:, order[0]], expected, atol=0.06)


def test_permuting_the_rows_permutes_the_answer_up_to_the_order_of_classes():
    pool, sources, _ = pool_of_sources(2)
    discriminator = source_probabilities(pool, sources, 4)
    rows = np.random.default_rng(0).permutation(len(sources))
    plain, moved = (latent_label_shift(discriminator[r], sources[r], 3) for r in (np.arange(len(rows)), rows))
    order = matched(moved.probabilities.argmax(axis=1), plain.probabilities[rows].argmax(axis=1))
    np.testing.assert_allclose(moved.probabilities[:, order], plain.probabilities[rows], atol=0.05)
    again = latent_label_shift(discriminator, sources, 3)
    np.testing.assert_array_equal(again.probabilities, plain.probabilities)


def test_more_cells_than_distinct_outputs_are_no_mistake():
    discriminator = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]] * 0.6 + 0.2
    shift = latent_label_shift(discriminator, np.array([0, 0, 1, 1]), 2, n_cells=4)
    assert len(set(shift.probabilities.argmax(axis=1)[[0, 1]])) == 1
    assert shift.probabilities.argmax(axis=1)[0] != shift.probabilities.argmax(axis=1)[2]


def test_sources_that_cannot_be_told_apart_are_equally_probable():
    rng = np.random.default_rng(3)
    sources = np.repeat([0, 1], [900, 300])
    shares = source_probabilities(rng.standard_normal((1200, 4)), sources, 2)
    np.testing.assert_allclose(shares.mean(axis=0), 0.5, atol=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: latent_label_shift(np.ones((2, 2)), np.array([0, 1]), 3), "n_classes must be from 1 to the number of"),
        (lambda: latent_label_shift(np.ones((2, 2)), np.array([0, 1]), 2, 1), "n_cells must be at least n_classes 2"),
        (lambda: latent_label_shift(np.ones((2, 2)), np.array([0, -1]), 2), "sources must be from 0 to 1, 1 are -1"),
        (lambda: latent_label_shift(np.ones((2, 2)), np.array([1, 1]), 2), "none is 0"),
        (lambda: latent_label_shift(np.ones((3, 2)), np.array([0, 1]), 2), "labels must have one entry for each"),
        (lambda: source_probabilities(np.ones((2, 2)), np.array([0, 2]), 2), "labels must be from -1 to 1"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
