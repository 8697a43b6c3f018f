import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from label_pools import said

from windrow.tasks.algorithms.labels.cores.affinity import normalised_affinity
from windrow.tasks.algorithms.labels.makers.label_propagation import LabelPropagation
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph

FEW = settings(max_examples=20, deadline=None)


def random_pool(seed, n=40, d=5, n_classes=3, labelled=9):
    rng = np.random.default_rng(seed)
    labels = np.full(n, -1, dtype=np.int64)
    labels[rng.permutation(n)[:labelled]] = rng.integers(n_classes, size=labelled)
    return rng.standard_normal((n, d)), labels


def closed_form(graph, labels, n_classes, alpha, gamma):
    n = len(labels)
    affinity = np.zeros((n, n))
    for i in range(n):
        for j, cosine in zip(graph.indices[i], graph.similarity[i], strict=True):
            affinity[i, j] = max(float(cosine), 0) ** gamma
    affinity += affinity.T.copy()
    degree = affinity.sum(axis=1)
    scale = np.where(degree > 0, 1 / np.sqrt(np.where(degree > 0, degree, 1)), 0)
    smoother = scale[:, None] * affinity * scale
    seeds = np.zeros((n, n_classes))
    for i in np.flatnonzero(labels >= 0):
        seeds[i, labels[i]] = 1 / np.sum(labels == labels[i])
    spread = np.linalg.solve(np.eye(n) - alpha * smoother, (1 - alpha) * seeds)
    total = spread.sum(axis=1, keepdims=True)
    return np.where(total > 1e-15, spread / np.where(total > 1e-15, total, 1), 1 / n_classes)


def label_propagation(graph, labels, n_classes, **settings):
    return said(LabelPropagation(**settings), graph.similarity, labels, n_classes, graph=graph)


def chain(n):
    """A path of n samples, each joined to the next with cosine 1 (the last to the one before)."""
    indices = np.append(np.arange(1, n), n - 2)[:, None]
    return NeighborGraph(indices, np.ones((n, 1), dtype=np.float32))


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.5, 0.9, 0.99]), st.sampled_from([1.0, 3.0]), st.integers(1, 12))
def test_propagation_is_the_dense_closed_form(seed, alpha, gamma, k):
    pool, labels = random_pool(seed)
    graph = neighbor_graph(pool, k)
    spread = label_propagation(graph, labels, 3, alpha=alpha, gamma=gamma)
    np.testing.assert_allclose(spread, closed_form(graph, labels, 3, alpha, gamma), atol=1e-5)


@FEW
@given(st.integers(0, 10_000))
def test_rows_sum_to_one_and_permuting_the_pool_permutes_them(seed):
    pool, labels = random_pool(seed)
    order = np.random.default_rng(seed).permutation(len(pool))
    plain = label_propagation(neighbor_graph(pool, 5), labels, 3)
    permuted = label_propagation(neighbor_graph(pool[order], 5), labels[order], 3)
    np.testing.assert_allclose(plain.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(permuted, plain[order], atol=1e-5)


def test_on_a_chain_the_nearer_seed_wins_and_the_middle_is_undecided():
    labels = np.array([0, -1, -1, -1, 1])
    graph = NeighborGraph(
        np.array([[1, 1], [0, 2], [1, 3], [2, 4], [3, 3]]),
        np.array([[1, 0], [1, 1], [1, 1], [1, 1], [1, 0]], np.float32),
    )
    shares = label_propagation(graph, labels, 2)
    assert shares[1, 0] > 0.5 > shares[3, 0]
    np.testing.assert_allclose(shares[2], [0.5, 0.5], atol=1e-6)


def test_balanced_classes_spread_the_same_mass_however_many_labels_they_have():
    labels = np.array([0, 0, 0, -1, -1, -1, 1])
    plain = label_propagation(chain(7), labels, 2, class_balanced=False)
    balanced = label_propagation(chain(7), labels, 2)
    assert np.all(balanced[3:6, 1] > plain[3:6, 1])


def test_a_sample_that_no_label_reaches_gets_uniform_shares():
    graph = NeighborGraph(np.array([[1], [0], [3], [2]]), np.array([[1], [1], [1], [-1]], dtype=np.float32))
    shares = label_propagation(graph, np.array([2, -1, -1, -1]), 4)
    assert shares[:2].tolist() == [[0, 0, 1, 0]] * 2
    assert shares[2:].tolist() == [[0.25] * 4] * 2


def test_a_class_is_spread_the_same_with_and_without_a_hundred_others():
    pool, labels = random_pool(3)
    graph = neighbor_graph(pool, 5)
    few, many = label_propagation(graph, labels, 3), label_propagation(graph, labels, 103)
    np.testing.assert_array_equal(many[:, :3], few)
    assert not many[:, 3:].any()


@FEW
@given(st.integers(0, 10_000), st.integers(1, 10))
def test_the_affinity_is_symmetric_and_its_eigenvalues_are_at_most_one(seed, k):
    smoother = normalised_affinity(neighbor_graph(random_pool(seed)[0], k), 3.0).toarray()
    np.testing.assert_allclose(smoother, smoother.T, atol=1e-15)
    assert abs(np.linalg.eigvalsh(smoother)).max() <= 1 + 1e-12
