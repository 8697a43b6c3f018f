import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.checks.confident_learning import (
    class_thresholds,
    confident_joint,
    find_noisy,
    judge_by_confidence,
)
from windrow.tasks.algorithms.labels.checks.normalised_margin import best_other, normalised_margin
from windrow.tasks.algorithms.labels.checks.self_confidence import self_confidence
from windrow.tasks.algorithms.labels.checks.weighted_entropy import confidence_weighted_entropy
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

FEW = settings(deadline=None, max_examples=40)
FOUR = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7]], np.float32)
GIVEN = np.array([0, 0, 1, 0])


def random_case(seed, n=40, n_classes=5):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(n_classes, 0.4), n).astype(np.float32), rng.integers(0, n_classes, n)


def cells(joint):
    table = np.zeros((joint.n_classes, joint.n_classes))
    table[joint.given, joint.true] = joint.share
    return table


def dense_joint(dense, labels):
    """The method of the paper, cell by cell."""
    n, n_classes = dense.shape
    counts = np.zeros((n_classes, n_classes))
    thresholds = [
        dense[labels == c, c].mean(dtype=np.float64) if (labels == c).any() else np.inf for c in range(n_classes)
    ]
    for row, label in zip(dense, labels, strict=True):
        confident = [c for c in range(n_classes) if row[c] >= thresholds[c]]
        if confident:
            counts[label, max(confident, key=lambda c: row[c])] += 1
    for c in range(n_classes):
        if (labels == c).any():
            if not counts[c].any():
                counts[c, c] = 1
            counts[c] *= (labels == c).sum() / counts[c].sum()
    return counts / n


def test_four_samples_worked_by_hand():
    sparse = SparseProbabilities.of(FOUR, 2)
    np.testing.assert_allclose(class_thresholds(sparse, GIVEN), [2 / 3, 0.9], rtol=1e-6)
    # The last is truly of no class that it reaches: 0.7 < 0.9, so class 0 is taken to be clean.
    np.testing.assert_allclose(cells(confident_joint(sparse, GIVEN)), [[0.75, 0], [0, 0.25]])
    surer = SparseProbabilities.of(np.concatenate([FOUR[:3], [[0.05, 0.95]]]).astype(np.float32), 2)
    joint = confident_joint(surer, GIVEN)
    np.testing.assert_allclose(cells(joint), [[0.5, 0.25], [0, 0.25]])
    for pruning in ("by class", "by noise rate", "both"):
        assert find_noisy(surer, GIVEN, pruning=pruning).tolist() == [False, False, False, True]


@FEW
@given(st.integers(0, 10**6))
def test_with_all_classes_listed_the_joint_is_the_dense_one(seed):
    dense, labels = random_case(seed)
    joint = confident_joint(SparseProbabilities.of(dense, 5), labels)
    np.testing.assert_allclose(cells(joint), dense_joint(dense, labels), atol=1e-12)
    np.testing.assert_allclose(cells(joint).sum(axis=1), np.bincount(labels, minlength=5) / len(labels))
    assert (joint.share > 0).all() and (np.diff(joint.given * 5 + joint.true) > 0).all()


@FEW
@given(st.integers(0, 10**6))
def test_pruning_is_the_pruning_of_the_dense_joint(seed):
    dense, labels = random_case(seed)
    counts = np.rint(dense_joint(dense, labels) * len(labels))
    own = dense[np.arange(len(labels)), labels]
    by_rate = np.zeros(len(labels), bool)
    for given_class in range(5):
        rows = np.flatnonzero(labels == given_class)
        for true in set(range(5)) - {given_class}:
            order = np.argsort(own[rows].astype(np.float64) - dense[rows, true], kind="stable")
            by_rate[rows[order][: int(counts[given_class, true])]] = True
    expected = by_rate & (dense.argmax(axis=1) != labels)
    sparse = SparseProbabilities.of(dense, 5)
    np.testing.assert_array_equal(find_noisy(sparse, labels), expected)
    both = find_noisy(sparse, labels, pruning="both")
    np.testing.assert_array_equal(both, expected & find_noisy(sparse, labels, pruning="by class"))


def test_by_class_takes_the_least_confident_of_each_class():
    dense = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9], [0.1, 0.9], [0.0, 1.0]], np.float32)
    labels = np.array([0, 0, 0, 1, 1, 1])
    # Thresholds 0.5 and 14/15: of class 0 only the first is sure to be 0, none to be 1.
    assert not find_noisy(SparseProbabilities.of(dense, 2), labels, pruning="by class").any()
    dense[1] = [0.02, 0.98]
    noisy = find_noisy(SparseProbabilities.of(dense, 2), labels, pruning="by class")
    # One sure 0 and one sure 1 of three: 1.5 expected, rounded to the even 2.
    assert noisy.tolist() == [False, True, True, False, False, False]


@FEW
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_scores_are_those_of_the_dense_rows(seed, k):
    dense, labels = random_case(seed)
    sparse = SparseProbabilities.of(dense, k)
    full = sparse.dense().astype(np.float64)
    at = np.arange(len(labels))
    own, others = full[at, labels], full.copy()
    others[at, labels] = -1
    np.testing.assert_allclose(self_confidence(sparse, labels), own, atol=1e-6)
    np.testing.assert_allclose(best_other(sparse, labels), others.max(axis=1), atol=1e-6)
    np.testing.assert_allclose(normalised_margin(sparse, labels), own - others.max(axis=1), atol=1e-6)
    entropy = -(full * np.log(np.maximum(full, 1e-300))).sum(axis=1) / np.log(5)
    expected = np.log(np.maximum(own, 1e-7) / np.maximum(entropy, 1e-7))
    np.testing.assert_allclose(confidence_weighted_entropy(sparse, labels), expected, atol=1e-4)


@FEW
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_permuting_the_pool_permutes_the_judgement(seed, k):
    dense, labels = random_case(seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    plain = judge_by_confidence(SparseProbabilities.of(dense, k), labels)
    permuted = judge_by_confidence(SparseProbabilities.of(dense[order], k), labels[order])
    np.testing.assert_array_equal(permuted.noisy, plain.noisy[order])
    np.testing.assert_array_equal(permuted.score, plain.score[order])


def test_thousands_of_classes_need_no_table_of_them():
    n_classes = 50_000
    classes = np.stack([np.arange(100), np.arange(100) + 1], axis=1)
    sparse = SparseProbabilities(classes, np.tile(np.array([0.8, 0.1], np.float32), (100, 1)), n_classes)
    labels = np.arange(100)
    labels[:3] = 10
    joint = confident_joint(sparse, labels)
    assert len(joint.share) <= 200
    assert set(np.flatnonzero(find_noisy(sparse, labels))) <= {0, 1, 2}


def test_a_bad_call_names_the_argument():
    sparse = SparseProbabilities.of(FOUR, 2)
    with pytest.raises(ValueError, match="pruning must be"):
        find_noisy(sparse, GIVEN, pruning="by hand")
    with pytest.raises(ValueError, match="labels must be from 0 to 1, got -1 to 1"):
        confident_joint(sparse, np.array([-1, 0, 1, 1]))
    with pytest.raises(ValueError, match="labels must be int64 of shape"):
        self_confidence(sparse, np.array([0]))
