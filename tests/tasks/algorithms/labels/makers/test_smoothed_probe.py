from __future__ import annotations

import numpy as np
import pytest
from label_pools import said

from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe
from windrow.tasks.algorithms.labels.makers.smoothed_probe import SmoothedProbe
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph


def smoothed_probe(x, graph, labels, n_classes, **settings):
    return said(SmoothedProbe(**settings), x, labels, n_classes, graph=graph)


def clouds(seed: int, n_each: int = 60, n_labels: int = 5, spread: float = 0.45):
    """Three clouds in eight dimensions, shuffled: embeddings, graph, truth, labels."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(3), n_each))
    x = (np.eye(8)[truth] + spread * rng.normal(size=(len(truth), 8))).astype(np.float32)
    labels = np.full(len(truth), -1, np.int64)
    for label in range(3):
        labels[np.flatnonzero(truth == label)[:n_labels]] = label
    return x, neighbor_graph(x, 8), truth, labels


def test_without_smoothing_it_is_the_probe_with_that_penalty():
    x, graph, _, labels = clouds(0)
    plain = logistic_probe(x, labels, 3, l2=0.5 / 15)
    np.testing.assert_allclose(smoothed_probe(x, graph, labels, 3, penalty=0.5, strength=0), plain, atol=1e-6)


def test_a_sample_that_the_probe_cannot_tell_follows_its_neighbours():
    """Four points: a label on each of the first two; the fourth lies halfway, and its only neighbour is the first."""
    x = np.array([[1, 0], [0, 1], [1, 0.01], [1, 1]], dtype=np.float32)
    indices = np.array([[2, 3], [-1, -1], [0, 3], [0, 2]])
    similarity = np.where(indices >= 0, 1.0, -np.inf).astype(np.float32)
    labels = np.array([0, 1, -1, -1])
    assert logistic_probe(x, labels, 2, l2=0.05)[3, 0] == pytest.approx(0.5, abs=0.01)
    assert smoothed_probe(x, NeighborGraph(indices, similarity), labels, 2)[3, 0] > 0.8


def test_it_finds_more_than_the_probe_does():
    gains = []
    for seed in range(5):
        x, graph, truth, labels = clouds(seed, n_labels=2, spread=0.5)
        probe, smoothed = logistic_probe(x, labels, 3), smoothed_probe(x, graph, labels, 3)
        gains.append((smoothed.argmax(axis=1) == truth).mean() - (probe.argmax(axis=1) == truth).mean())
    assert np.mean(gains) > 0.02


def test_permuting_the_pool_permutes_the_answer():
    x, graph, _, labels = clouds(1)
    order = np.random.default_rng(0).permutation(len(x))
    whole = smoothed_probe(x, graph, labels, 3)
    permuted = smoothed_probe(x[order], neighbor_graph(x[order], 8), labels[order], 3)
    np.testing.assert_allclose(permuted, whole[order], atol=1e-4)
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-5)


def test_a_class_without_labels_gets_nothing():
    x, graph, _, labels = clouds(2)
    labels[labels == 1] = -1
    assert smoothed_probe(x, graph, labels, 3)[:, 1].max() == 0


def test_labels_of_another_pool_are_refused():
    x, graph, _, labels = clouds(3)
    with pytest.raises(ValueError, match="labels must have one entry for each of the 180 rows"):
        smoothed_probe(x, graph, labels[1:], 3)
