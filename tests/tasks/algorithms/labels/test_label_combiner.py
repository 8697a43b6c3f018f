import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.label_combiner import align_clusters, combine, consensus
from windrow.tasks.algorithms.labels.label_makers import ensemble, normalise_rows

FEW = settings(max_examples=30, deadline=None)


def random_makers(seed, n_makers=3, n=11, n_classes=4):
    rng = np.random.default_rng(seed)
    return [normalise_rows(rng.random((n, n_classes)) ** 4) for _ in range(n_makers)]


def test_four_samples_by_hand():
    sure, other, nothing = [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]
    first = np.array([sure, sure, sure, nothing], np.float32)
    second = np.array([sure, other, nothing, nothing], np.float32)
    answer = combine([first, second], [3, 1], mean="arithmetic")
    np.testing.assert_allclose(answer.probabilities, [[1, 0], [0.75, 0.25], [0.875, 0.125], [0.5, 0.5]], atol=1e-7)
    assert answer.agrees.tolist() == [[True, True], [True, False], [True, False], [False, False]]
    np.testing.assert_allclose(answer.agreement, [1, 0.75, 0.75, 0])
    entropy = [-sum(p * np.log(p) for p in shares) for shares in ((0.75, 0.25), (0.875, 0.125))]
    np.testing.assert_allclose(answer.disagreement, [0, entropy[0], entropy[1] - np.log(2) / 4, 0], atol=1e-6)


@FEW
@given(st.integers(0, 10_000), st.sampled_from(["arithmetic", "geometric"]))
def test_the_numbers_are_those_of_plain_loops(seed, mean):
    makers, weights = random_makers(seed), [0.5, 0.2, 0.3]
    answer = combine(makers, weights, mean)
    np.testing.assert_array_equal(answer.probabilities, ensemble(makers, weights, mean))
    for i in range(11):
        middle = sum(w * p[i].astype(float) for w, p in zip(weights, makers, strict=True))
        divergence = sum(w * (p[i] * np.log(p[i] / middle)).sum() for w, p in zip(weights, makers, strict=True))
        assert answer.disagreement[i] == pytest.approx(divergence, abs=1e-5)
        agree = [w for w, p in zip(weights, makers, strict=True) if p[i].argmax() == answer.probabilities[i].argmax()]
        assert answer.agreement[i] == pytest.approx(sum(agree), abs=1e-6)


@FEW
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_bounds_hold_and_rows_are_combined_on_their_own(seed, n_makers):
    makers = random_makers(seed, n_makers)
    order = np.random.default_rng(seed).permutation(11)
    answer, permuted = combine(makers), combine([p[order] for p in makers])
    assert np.all((answer.disagreement >= 0) & (answer.disagreement <= np.log(min(4, n_makers)) + 1e-6))
    for name in ("probabilities", "agrees", "agreement", "disagreement"):
        np.testing.assert_array_equal(getattr(permuted, name), getattr(answer, name)[order])
    same = combine([makers[0]] * 3)
    np.testing.assert_allclose(same.agreement, 1)
    np.testing.assert_allclose(same.disagreement, 0, atol=1e-6)


@FEW
@given(st.integers(0, 10_000))
def test_the_alignment_is_the_best_of_all_renumberings(seed):
    rng = np.random.default_rng(seed)
    reference, other = rng.integers(-1, 4, size=(2, 25))
    aligned = align_clusters(reference, other, 4)
    shared = max(
        sum(o >= 0 and numbers[o] == r for r, o in zip(reference, other, strict=True))
        for numbers in itertools.permutations(range(4))
    )
    assert ((aligned == reference) & (reference >= 0)).sum() == shared
    # One to one, and -1 stays.
    assert len(set(zip(aligned.tolist(), other.tolist(), strict=True))) == len(set(other.tolist()))
    np.testing.assert_array_equal(aligned == -1, other == -1)


@FEW
@given(st.integers(0, 10_000))
def test_renumbered_copies_agree_everywhere_and_a_moved_sample_gets_no_label(seed):
    rng = np.random.default_rng(seed)
    first = np.concatenate([np.arange(5).repeat(3), rng.integers(5, size=10)])
    numbers = rng.permutation(5)
    np.testing.assert_array_equal(consensus([first, numbers[first]], 5), first)
    moved = numbers[first]
    moved[0] = numbers[(first[0] + 1) % 5]
    agreed = consensus([first, numbers[first], moved], 5)
    assert agreed[0] == -1
    np.testing.assert_array_equal(agreed[1:], first[1:])


def test_a_clustering_that_abstains_is_no_agreement_and_one_alone_is_itself():
    first = np.array([0, 0, 1, -1])
    assert consensus([first], 2).tolist() == [0, 0, 1, -1]
    assert consensus([first, np.array([1, -1, 0, 0])], 2).tolist() == [0, -1, 1, -1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: combine([]), "one or more arrays"),
        (lambda: combine([np.ones((1, 2), np.float32)], [1, 2]), "weights must be 1 numbers"),
        (lambda: consensus([], 2), "clusterings must be one or more arrays of one shape, got \\[\\]"),
        (lambda: consensus([np.array([0]), np.array([0, 1])], 2), "clusterings must be one or more"),
        (lambda: align_clusters(np.array([0, 1]), np.array([0, 2]), 2), "other must be from -1 to 1, got 0 to 2"),
        (lambda: align_clusters(np.array([[0]]), np.array([[0]]), 2), r"reference must have the shape \(n,\)"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
