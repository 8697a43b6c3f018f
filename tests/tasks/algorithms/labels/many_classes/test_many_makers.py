"""Makers that list some of many classes, beside what they say of all: within the bounds that docs/evidence states."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from windrow.tasks.algorithms.labels.cores.affinity import LocalMatrix
from windrow.tasks.algorithms.labels.cores.standardisation import CentredRows
from windrow.tasks.algorithms.labels.folds import cross_fit
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.labels.makers.label_propagation import LabelPropagation
from windrow.tasks.algorithms.labels.makers.linear_probe import LinearProbe
from windrow.tasks.algorithms.labels.makers.prototypes import Prototypes
from windrow.tasks.algorithms.labels.makers.smoothed_probe import SmoothedProbe
from windrow.tasks.algorithms.labels.makers.smoothed_prototypes import SmoothedPrototypes
from windrow.tasks.algorithms.labels.many_classes.carried_prototypes import listed_kernel
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import cross_fit_listed
from windrow.tasks.algorithms.labels.many_classes.spread_labels import propagate
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph

PROBABILITY = 0.02
"""How far a probability may be off: where the first two classes are no nearer, the first is the same."""
MAKERS = [LabelPropagation(), Prototypes(), LinearProbe(), SmoothedPrototypes(2.0), SmoothedProbe(strength=2.0)]


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: type(maker).__name__)
def test_what_is_listed_is_what_all_classes_would_have(many, maker):
    rows = np.arange(len(many.labels))
    dense, listed = maker.fit(many.pool)(many.labels, rows), maker.fit_listed(many.pool)(many.labels, rows)
    assert listed.shape == dense.shape and listed.classes.shape[1] == many.pool.n_listed
    kept = SparseProbabilities.of(dense, many.pool.n_listed).dense()
    assert np.abs(listed.dense() - kept).max() < PROBABILITY
    second, first = np.sort(dense, axis=1)[:, -2:].T
    clear = first - second > PROBABILITY
    assert clear.mean() > 0.2
    np.testing.assert_array_equal(listed.classes[clear, 0], dense[clear].argmax(axis=1))


def test_a_probe_lists_to_the_bit(many):
    rows = np.arange(0, len(many.labels), 7)
    dense = SparseProbabilities.of(LinearProbe().fit(many.pool)(many.labels, rows), many.pool.n_listed)
    listed = LinearProbe().fit_listed(many.pool)(many.labels, rows)
    np.testing.assert_array_equal(listed.classes, dense.classes)
    np.testing.assert_array_equal(listed.probabilities, dense.probabilities)


def test_labels_are_judged_by_the_others_in_their_order(many):
    maker = LabelPropagation()
    dense = cross_fit(maker.fit(many.pool), many.labels, many.pool.n_classes, 2)
    listed = cross_fit_listed(maker.fit_listed(many.pool), many.labels, many.pool.n_classes, 2)
    assert np.abs(listed.dense() - SparseProbabilities.of(dense, many.pool.n_listed).dense()).max() < PROBABILITY


def test_the_strength_is_chosen_as_by_all_classes(many):
    of_all = replace(many.pool, n_listed=None)
    found = SmoothedPrototypes().tuned(many.pool, many.labels, n_folds=2)
    assert found == SmoothedPrototypes().tuned(of_all, many.labels, n_folds=2)


def test_samples_that_no_label_reaches_list_nothing():
    alone = NeighborGraph(np.array([[1], [0], [3], [2]]), np.ones((4, 1), np.float32))
    said = propagate(alone, np.array([0, -1, -1, -1]), 100, 64, np.arange(4))
    assert said.classes[:2, 0].tolist() == [0, 0] and (said.classes[2:] == -1).all()
    np.testing.assert_allclose(said.rest()[2:], 0.01)


def test_labels_spread_without_samples_x_classes():
    n, n_classes = 4000, 4000
    rng = np.random.default_rng(0)
    labels = np.full(n, -1, np.int64)
    labels[rng.permutation(n)[:n_classes]] = np.arange(n_classes)
    near = (np.arange(n)[:, None] + np.arange(1, 6)) % n
    graph = NeighborGraph(near, np.ones(near.shape, np.float32))
    tracemalloc.start()
    said = propagate(graph, labels, n_classes, 64, np.arange(n))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (said.classes[:, 0] >= 0).all()
    assert most < 2 * n * n_classes  # float16 of them would be as large


def test_what_a_row_of_the_kernel_does_not_list_is_small_but_never_0():
    # Two groups of 64 classes: a row lists those of its own, and has 1e-9 or so of each of the others.
    centres = np.column_stack([np.repeat([1.5, -1.5], 64), np.tile(np.eye(64), (2, 1))])
    pool = CentredRows(centres, 0)
    plain = Prototypes(transport_weight=0.0).directions(centres, np.arange(128), 128)
    kernel, rest, shares = listed_kernel(plain, pool, 0.05)
    expected = softmax(pool[:] @ plain.directions.T / 0.05, axis=1)
    group = np.arange(128) // 64
    same = group[:, None] == group
    np.testing.assert_allclose(rest, expected[~same].reshape(128, 64).mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(kernel.toarray()[same], expected[same] - rest[0], rtol=1e-6)
    np.testing.assert_allclose(shares.sum(), 1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("maker", [LabelPropagation(), SmoothedPrototypes(2.0)], ids=["propagation", "smoothed"])
def test_the_order_in_which_neighbours_lie_near_changes_no_byte(many, maker, seed):
    rng = np.random.default_rng(seed)
    samples = rng.permutation(len(many.labels))[:500]
    labels, points = many.labels[samples], many.embeddings[samples]
    pool = LabelPool(points, many.pool.n_classes, neighbor_graph(points, 9), n_listed=many.pool.n_listed)
    rows = rng.permutation(len(labels))[:300]
    near = maker.fit_listed(pool)(labels, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalMatrix, "of", lambda matrix: LocalMatrix(matrix, np.arange(len(labels), dtype=np.int32)))
        as_it_came = maker.fit_listed(pool)(labels, rows)
    assert near.classes.tobytes() == as_it_came.classes.tobytes()
    assert near.probabilities.tobytes() == as_it_came.probabilities.tobytes()
