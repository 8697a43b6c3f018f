import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.cores.balanced_labels import sela_labels, swav_codes
from windrow.tasks.algorithms.labels.cores.sinkhorn import NotConvergedError
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

FEW = settings(max_examples=15, deadline=None)


def random_probabilities(seed, n=12, k=3):
    return np.random.default_rng(seed).dirichlet(np.ones(k), size=n).astype(np.float32)


def best_balanced(scores):
    """The assignment of 2m samples to two classes of m that has the largest sum of scores, by trying all."""
    n = len(scores)

    def gain(chosen):
        return sum(scores[i, 0] if i in chosen else scores[i, 1] for i in range(n))

    chosen = max(itertools.combinations(range(n), n // 2), key=gain)
    return np.array([0 if i in chosen else 1 for i in range(n)])


@FEW
@given(st.integers(0, 10_000), st.sampled_from([1.0, 5.0]))
def test_classes_have_the_sizes_asked_for_and_rows_sum_to_one(seed, power):
    wanted = np.array([1.0, 2.0, 3.0])
    balanced = sela_labels(random_probabilities(seed), power, wanted)
    np.testing.assert_allclose(balanced.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(balanced.mean(axis=0), wanted / 6, rtol=2e-4)
    assert balanced.dtype == np.float32


@FEW
@given(st.integers(0, 10_000))
def test_a_large_power_gives_the_balanced_hard_assignment(seed):
    shares = random_probabilities(seed, n=8, k=2)
    sharp = sela_labels(shares, 100.0, tolerance=1e-2)
    np.testing.assert_array_equal(sharp.argmax(axis=1), best_balanced(np.log(shares)))


def test_a_small_eps_gives_the_balanced_hard_assignment():
    angles = np.deg2rad([0, 5, 9, 20, 33, 80])
    pool = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    codes = swav_codes(pool, np.eye(2), eps=0.01, tolerance=1e-3)
    np.testing.assert_allclose(codes, [[1, 0]] * 3 + [[0, 1]] * 3, atol=0.01)


def test_power_one_and_its_own_marginal_changes_nothing():
    shares = random_probabilities(1)
    np.testing.assert_allclose(sela_labels(shares, 1.0, shares.mean(axis=0)), shares, atol=1e-5)


@FEW
@given(st.integers(0, 10_000))
def test_a_ratio_of_two_rows_and_classes_is_raised_to_the_power_and_no_more(seed):
    shares = random_probabilities(seed).astype(np.float64)
    balanced = sela_labels(shares.astype(np.float32), 2.0).astype(np.float64)

    def odds(p):
        return np.log(p[0, 0] * p[1, 1] / (p[0, 1] * p[1, 0]))

    np.testing.assert_allclose(odds(balanced), 2 * odds(shares), rtol=1e-3, atol=1e-3)


def test_the_power_is_25_as_in_the_paper():
    shares = np.array([[0.51, 0.49], [0.5, 0.5], [0.49, 0.51], [0.5, 0.5]], dtype=np.float32)
    balanced = sela_labels(shares).astype(np.float64)
    odds = np.log(balanced[0, 0] / balanced[0, 1])
    assert odds == pytest.approx(25 * np.log(0.51 / 0.49), rel=1e-3)


@FEW
@given(st.integers(0, 10_000))
def test_permuting_the_pool_permutes_the_labels_and_the_length_of_an_embedding_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    pool, prototypes, order = rng.standard_normal((20, 5)), rng.standard_normal((3, 5)), rng.permutation(20)
    plain = swav_codes(pool, prototypes, eps=0.2)
    longer = pool * rng.uniform(0.1, 9, (20, 1))
    np.testing.assert_allclose(swav_codes(longer[order], prototypes, eps=0.2), plain[order], atol=1e-6)
    shares = random_probabilities(seed, n=20)
    np.testing.assert_allclose(sela_labels(shares[order], 3.0), sela_labels(shares, 3.0)[order], atol=1e-6)


def test_labelled_samples_keep_their_label_and_count_in_the_marginal():
    shares = np.array([[0.9, 0.1]] * 4, dtype=np.float32)
    balanced = sela_labels(shares, 1.0, labels=np.array([0, -1, -1, -1]))
    np.testing.assert_allclose(balanced, [[1, 0]] + [[1 / 3, 2 / 3]] * 3, atol=2e-4)


def test_sparse_probabilities_with_all_classes_are_the_dense_ones():
    shares = random_probabilities(4)
    np.testing.assert_array_equal(sela_labels(SparseProbabilities.of(shares, 3), 2.0), sela_labels(shares, 2.0))


def test_a_class_with_share_zero_gets_nothing():
    assert not sela_labels(random_probabilities(5), 2.0, np.array([1.0, 0.0, 1.0]))[:, 1].any()


def test_too_sharp_a_matrix_says_that_it_did_not_converge():
    with pytest.raises(NotConvergedError, match="max_iters=3"):
        sela_labels(random_probabilities(6), 25.0, max_iters=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"power": 0.0}, "power must be positive, got 0.0"),
        ({"marginal": np.array([1.0, 1.0])}, "marginal must be 3 numbers"),
        ({"marginal": np.array([1.0, -1.0, 1.0])}, "marginal must be 3 numbers"),
        ({"labels": np.array([0, 1])}, "one entry for each of the 12 rows, got 2"),
        ({"probabilities": np.zeros(3, np.float32)}, r"shape \(n, n_classes\), got \(3,\)"),
        ({"probabilities": np.full((2, 2), np.nan, np.float32)}, "row 0 is not"),
    ],
)
def test_a_bad_call_names_the_argument(options, message):
    with pytest.raises(ValueError, match=message):
        sela_labels(**{"probabilities": random_probabilities(0), **options})


def test_a_bad_call_of_codes_names_the_argument():
    with pytest.raises(ValueError, match=r"eps must be positive, got 0\.0"):
        swav_codes(np.eye(2), np.eye(2), eps=0.0)
    with pytest.raises(ValueError, match="2 dimensions and prototypes 3"):
        swav_codes(np.eye(2), np.eye(3))
