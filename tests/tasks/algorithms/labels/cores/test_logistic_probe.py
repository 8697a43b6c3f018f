import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.labels.cores.logistic_probe import fit_logistic_probe, logistic_probe

FEW = settings(max_examples=10, deadline=None)


def random_pool(seed, n=60, d=7, n_classes=3, labelled=24):
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=n)
    labels = np.full(n, -1, dtype=np.int64)
    rows = rng.permutation(n)[:labelled]
    labels[rows] = truth[rows]
    return (rng.standard_normal((n, d)) + 2 * np.eye(d)[truth]).astype(np.float32), labels


@FEW
@given(st.integers(0, 10_000), st.sampled_from([None, 1e-3, 1e-2, 1.0]))
def test_the_probe_is_scikit_learns_on_the_same_features(seed, l2):
    pool, labels = random_pool(seed)
    features = pool.astype(np.float64) / np.linalg.norm(pool.astype(np.float64), axis=1, keepdims=True)
    labelled = labels >= 0
    # Its objective is C times a sum of losses plus ||w||^2 / 2, ours a mean plus l2 times that.
    peer = LogisticRegression(
        C=1 if l2 is None else 1 / (l2 * labelled.sum()), tol=1e-8, max_iter=500, solver="newton-cholesky"
    )
    peer.fit(features[labelled], labels[labelled])
    ours = logistic_probe(pool, labels, 3, l2=l2, class_balanced=False)
    np.testing.assert_allclose(ours[:, peer.classes_], peer.predict_proba(features), atol=2e-3)


@FEW
@given(st.integers(0, 10_000), st.booleans())
def test_rows_sum_to_one_and_permuting_the_pool_permutes_them(seed, balanced):
    pool, labels = random_pool(seed)
    order = np.random.default_rng(seed).permutation(len(pool))
    plain = logistic_probe(pool, labels, 5, class_balanced=balanced)
    np.testing.assert_allclose(plain.sum(axis=1), 1, atol=1e-6)
    permuted = logistic_probe(pool[order], labels[order], 5, class_balanced=balanced)
    np.testing.assert_allclose(permuted, plain[order], atol=1e-3)


def test_a_probability_does_not_depend_on_its_block_or_the_threads():
    pool, labels = random_pool(1, n=400, d=200, labelled=200)
    probe = fit_logistic_probe(pool, labels, 3)
    whole = probe.predict_proba(pool)
    np.testing.assert_array_equal(
        whole, np.concatenate([probe.predict_proba(pool[i : i + 7]) for i in range(0, 400, 7)])
    )
    with threadpool_limits(1):
        np.testing.assert_array_equal(logistic_probe(pool, labels, 3), whole)
    np.testing.assert_array_equal(logistic_probe(pool, labels, 3, rows=np.array([9, 3])), whole[[9, 3]])


def test_the_length_of_an_embedding_does_not_matter():
    pool, labels = random_pool(2)
    lengths = np.linspace(0.1, 9, len(pool))[:, None]
    plain = logistic_probe(pool, labels, 3)
    np.testing.assert_allclose(logistic_probe(pool * lengths, labels, 3), plain, atol=1e-4)


def test_classes_without_labels_have_probability_zero_and_a_lone_class_has_one():
    pool, labels = random_pool(3)
    labels[labels == 1] = -1
    assert not logistic_probe(pool, labels, 3)[:, 1].any()
    labels[labels == 2] = -1
    assert np.all(logistic_probe(pool, labels, 3) == [1, 0, 0])


def test_one_label_a_class_is_enough_to_follow():
    pool = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], dtype=np.float32)
    assert logistic_probe(pool, np.array([0, -1, 1, -1]), 2).argmax(axis=1).tolist() == [0, 0, 1, 1]


def test_balanced_classes_weigh_the_same_however_many_labels_they_have():
    pool = np.array([[1.0, 0.0]] * 9 + [[1.0, 0.0]], dtype=np.float32)
    labels = np.array([0] * 9 + [1])
    np.testing.assert_allclose(logistic_probe(pool, labels, 2)[0], [0.5, 0.5], atol=1e-4)
    np.testing.assert_allclose(logistic_probe(pool, labels, 2, class_balanced=False)[0], [0.9, 0.1], atol=1e-4)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.array([0, 1]), {"l2": 0.0}, "l2 must be positive, got 0.0"),
        (np.array([0, 1, 1]), {}, "one entry for each of the 2 rows, got 3"),
        (np.array([-1, -1]), {}, "at least one label"),
    ],
)
def test_a_bad_call_names_the_argument(labels, options, message):
    with pytest.raises(ValueError, match=message):
        logistic_probe(np.eye(2), labels, 2, **options)
