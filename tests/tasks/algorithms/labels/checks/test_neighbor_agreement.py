import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_pools import said
from noisy_labels import below, f1, noisy_blobs

from windrow.tasks.algorithms.labels.checks.neighbor_agreement import judge_by_neighbors, neighbor_shares
from windrow.tasks.algorithms.labels.makers.knn_vote import KnnVote
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph


def test_four_points_worked_by_hand():
    graph = NeighborGraph(np.array([[1, 2], [0, 2], [0, 1], [-1, -1]]), np.ones((4, 2), np.float32))
    graph.similarity[3] = -np.inf
    judged = judge_by_neighbors(graph, np.array([0, 0, 1, 1]), 2, class_balanced=False)
    np.testing.assert_allclose(judged.score, [0.5, 0.5, 0.0, 0.5])
    assert judged.noisy.tolist() == [False, False, True, False]
    # One other label of class 0, two of class 1: a vote for 0 weighs twice as much.
    balanced = judge_by_neighbors(graph, np.array([0, 0, 1, 1]), 2)
    np.testing.assert_allclose(balanced.score[:2], [2 / 3, 2 / 3], rtol=1e-6)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.booleans())
def test_the_shares_are_those_of_the_vote_of_labelled_neighbours(seed, balanced):
    pool, labels, _ = noisy_blobs(60, seed=seed)
    shares = said(KnnVote(k=7, class_balanced=balanced), pool, labels)
    own, other = neighbor_shares(neighbor_graph(pool, 7), labels, 3, class_balanced=balanced)
    at = np.arange(60)
    np.testing.assert_allclose(own, shares[at, labels], atol=1e-6)
    shares[at, labels] = -1
    np.testing.assert_allclose(other, np.maximum(shares.max(axis=1), 0), atol=1e-6)


def test_wrong_labels_are_found_whatever_the_order():
    pool, labels, truth = noisy_blobs()
    judged = judge_by_neighbors(neighbor_graph(pool, 20), labels, 3)
    assert below(judged.score, labels != truth) > 0.95 and f1(judged.noisy, labels != truth) > 0.9
    order = np.random.default_rng(0).permutation(len(labels))
    permuted = judge_by_neighbors(neighbor_graph(pool[order], 20), labels[order], 3)
    np.testing.assert_allclose(permuted.score, judged.score[order], atol=1e-6)


def test_a_bad_call_names_the_argument():
    graph = NeighborGraph(np.array([[1], [0]]), np.ones((2, 1), np.float32))
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        judge_by_neighbors(graph, np.array([0, 1]), 2, temperature=0)
    with pytest.raises(ValueError, match="labels must be int64 of shape"):
        judge_by_neighbors(graph, np.array([0]), 2)
