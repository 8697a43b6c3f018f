from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.makers.clusterer import _labelled_mass, name_clusters
from windrow.tasks.algorithms.labels.probabilities import normalise_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

FEW = settings(max_examples=40, deadline=None)


def sharp(clusters: list[int], n_clusters: int) -> SparseProbabilities:
    return SparseProbabilities.of(np.eye(n_clusters, dtype=np.float32)[clusters], n_clusters)


def random_case(seed: int, n: int, n_clusters: int, n_classes: int) -> tuple[SparseProbabilities, np.ndarray]:
    rng = np.random.default_rng(seed)
    clusters = rng.dirichlet(np.full(n_clusters, 0.3), size=n).astype(np.float32)
    labels = rng.integers(-1, n_classes, size=n)
    labels[0] = 0
    return SparseProbabilities.of(clusters, n_clusters), labels


def test_four_points_of_two_clusters_take_the_names_of_their_two_labels() -> None:
    named = name_clusters(sharp([1, 1, 0, 0], 2), np.array([0, -1, -1, 1]), 2)
    np.testing.assert_array_equal(named, [[1, 0], [1, 0], [0, 1], [0, 1]])
    assert named.dtype == np.float32


def test_soft_clusters_give_soft_classes() -> None:
    clusters = SparseProbabilities.of(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32), 2)
    named = name_clusters(clusters, np.array([1, 0, -1]), 2)
    np.testing.assert_allclose(named, [[0.1, 0.9], [0.8, 0.2], [0.4, 0.6]], atol=1e-6)


@FEW
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_the_matching_is_the_best_of_all(seed: int, k: int) -> None:
    clusters, labels = random_case(seed, 30, k, k)
    labels[:k] = np.arange(k)
    dense, known = clusters.dense().astype(np.float64), np.flatnonzero(labels >= 0)
    mass = np.stack([dense[labels == c].mean(axis=0) / dense[labels == c].mean(axis=0).sum() for c in range(k)])
    best = max(permutations(range(k)), key=lambda order: sum(mass[c, order[c]] for c in range(k)))
    assert len(known) >= k
    np.testing.assert_allclose(name_clusters(clusters, labels, k), dense[:, list(best)], atol=1e-5)


def test_a_class_without_a_label_gets_the_cluster_that_is_left_and_two_share_theirs() -> None:
    clusters = sharp([2, 0, 1, 3], 4)
    three = name_clusters(clusters, np.array([1, 0, 3, -1]), 4)
    np.testing.assert_array_equal(three, np.eye(4)[[1, 0, 3, 2]])
    two = name_clusters(clusters, np.array([1, 0, -1, -1]), 4)
    np.testing.assert_array_equal(two[:2], np.eye(4)[[1, 0]])
    np.testing.assert_array_equal(two[2:], [[0, 0, 0.5, 0.5]] * 2)


def test_a_soft_cluster_that_two_classes_share_is_worth_no_more_than_one_of_its_own() -> None:
    shares = np.array([[1, 0, 0], [0.4, 0.3, 0.3]], np.float32)
    named = name_clusters(SparseProbabilities.of(shares, 3), np.array([2, -1]), 3)
    np.testing.assert_allclose(named, [[0, 0, 1], [0.3, 0.3, 0.4]], atol=1e-6)


@FEW
@given(st.integers(0, 10_000))
def test_the_labelled_mass_is_the_same_to_the_bit_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Of all magnitudes, whose plain sums in float64 do depend on their order.
    shares = normalise_rows(np.exp(rng.uniform(-40, 0, size=(300, 4))))
    labels, order = rng.integers(2, size=300), rng.permutation(300)
    there = _labelled_mass(SparseProbabilities.of(shares, 4), labels, 2)
    moved = _labelled_mass(SparseProbabilities.of(shares[order], 4), labels[order], 2)
    np.testing.assert_array_equal(moved, there)


def test_with_more_clusters_than_classes_each_gets_the_classes_of_its_labels_smoothed() -> None:
    labels = np.array([0, 0, 1, -1, 1, -1])
    named = name_clusters(sharp([0, 0, 1, 1, 0, 2], 3), labels, 2, smoothing=1.0)
    np.testing.assert_allclose(named[0], [2.5 / 4, 1.5 / 4], atol=1e-6)  # two of class 0, one of 1, and half of each
    np.testing.assert_allclose(named[3], [0.5 / 2, 1.5 / 2], atol=1e-6)
    np.testing.assert_allclose(named[5], [0.5, 0.5], atol=1e-6)  # no label in its cluster
    firm = name_clusters(sharp([0, 0, 1, 1, 0, 2], 3), labels, 2, smoothing=1e-6)
    np.testing.assert_allclose(firm[[0, 3]], [[2 / 3, 1 / 3], [0, 1]], atol=1e-5)
    vague = name_clusters(sharp([0, 0, 1, 1, 0, 2], 3), labels, 2, smoothing=1e6)
    np.testing.assert_allclose(vague, 0.5, atol=1e-5)


def test_a_class_with_many_labels_does_not_take_every_cluster() -> None:
    labels = np.array([0] * 8 + [1])
    clusters = sharp([0, 0, 0, 0, 0, 1, 1, 1, 1], 3)
    assert name_clusters(clusters, labels, 2)[8, 1] > 0.5  # three of eight labels of class 0, and all of class 1


def test_fewer_clusters_than_classes_share_a_cluster_and_unlabelled_classes_get_nothing() -> None:
    named = name_clusters(sharp([0, 0, 1], 2), np.array([0, 1, 3]), 4)
    assert named[0, 0] == named[0, 1] > named[0, 3] > 0
    np.testing.assert_array_equal(named[:, 2], 0)


@FEW
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 4))
def test_the_order_of_samples_and_clusters_does_not_matter(seed: int, n_clusters: int, n_classes: int) -> None:
    clusters, labels = random_case(seed, 40, n_clusters, n_classes)
    # Of several classes without labels each must be like the others; matched ties may fall otherwise.
    labels[:n_classes] = np.arange(n_classes)
    named = name_clusters(clusters, labels, n_classes)
    np.testing.assert_allclose(named.sum(axis=1), 1, atol=1e-5)
    order = np.random.default_rng(seed).permutation(len(labels))
    moved = SparseProbabilities(clusters.classes[order], clusters.probabilities[order], n_clusters)
    np.testing.assert_array_equal(name_clusters(moved, labels[order], n_classes), named[order])
    np.testing.assert_array_equal(name_clusters(clusters, labels, n_classes, rows=order[:7]), named[order[:7]])
    swapped = SparseProbabilities.of(clusters.dense()[:, ::-1].copy(), n_clusters)
    np.testing.assert_allclose(name_clusters(swapped, labels, n_classes), named, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: name_clusters(sharp([0, 1], 2), np.array([0]), 2), "labels must have one entry for each of the 2"),
        (lambda: name_clusters(sharp([0, 1], 2), np.array([0, 2]), 2), "labels must be from -1 to 1"),
        (lambda: name_clusters(sharp([0, 1], 2), np.array([-1, -1]), 2), "at least one label"),
    ],
)
def test_a_bad_call_names_the_argument(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
