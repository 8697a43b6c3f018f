from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_pools import random_pool

from windrow.tasks.algorithms.labels.deciding import belonging as module
from windrow.tasks.algorithms.labels.deciding.belonging import (
    GAMMA,
    N_FOLDS,
    NEAREST,
    SHARPNESS,
    STEP,
    belonging,
    belonging_of_new,
    judge_belonging,
    nearness,
    refuse,
)
from windrow.tasks.algorithms.labels.deciding.everything import Everything
from windrow.tasks.algorithms.labels.deciding.fixed import Fixed
from windrow.tasks.algorithms.labels.deciding.policy import decide
from windrow.tasks.algorithms.labels.deciding.soft import Soft
from windrow.tasks.algorithms.neighbors import approximate_neighbors
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph

FEW = settings(max_examples=20, deadline=None)


def with_graph(seed, k=5, **shape):
    pool, labels = random_pool(seed, **shape)
    return pool, neighbor_graph(pool, k), labels


def brute_force(pool, graph, labels):
    """With every label a fold of its own."""
    n, rows = len(labels), np.flatnonzero(labels >= 0)
    affinity = np.zeros((n, n))
    for i in range(n):
        affinity[i, graph.indices[i]] = np.maximum(graph.similarity[i].astype(float), 0) ** GAMMA
    affinity += affinity.T.copy()
    degree = affinity.sum(axis=1)
    walk = affinity / np.where(degree > 0, degree, 1)[:, None]
    stops = (1 - STEP) * np.linalg.inv(np.eye(n) - STEP * walk)
    units = pool.astype(float) / np.linalg.norm(pool.astype(float), axis=1, keepdims=True)
    scores = np.zeros(n)
    for i in range(n):
        others = rows[rows != i]
        cosines = sorted(np.maximum(units[others] @ units[i], 0), reverse=True)
        scores[i] = (sum(cosines[:NEAREST]) / NEAREST) ** SHARPNESS * stops[i, others].sum()
    return scores


def test_four_points_by_hand():
    # Three that are alike, two of them labelled, and one at a right angle that no walk leaves.
    pool = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    graph = NeighborGraph(np.array([[1, 2], [0, 2], [0, 1], [0, 1]]), np.ones((4, 2), np.float32))
    graph.similarity[3] = 0
    labels = np.array([0, 1, -1, -1])
    scores, held_out = nearness(pool, graph, labels)
    # Steps have eigenvalues 1 and -1/2: a walk ends where it began with 1/3 + 2/3 * 0.1 / 1.45, else equally likely.
    elsewhere = (1 - (1 / 3 + 2 / 3 * 0.1 / 1.45)) / 2
    np.testing.assert_allclose(held_out, (1 / 3) ** 5 * elsewhere, rtol=1e-6)
    np.testing.assert_allclose(scores[2:], [(2 / 3) ** 5 * 2 * elsewhere, 0], rtol=1e-6)
    np.testing.assert_allclose(belonging(pool, graph, labels), [1, 1, 1, 1 / 3], rtol=1e-6)


def test_a_label_as_far_counts():
    pool = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    # The third is labelled and the fourth is not: both are out of reach.
    p_values = belonging(pool, neighbor_graph(pool, 1), np.array([0, 0, 1, -1]))
    np.testing.assert_allclose(p_values, [1, 1, 1, 2 / 4])


@FEW
@given(st.integers(0, 10_000))
def test_nearness_is_that_of_the_dense_walk(seed):
    pool, graph, labels = with_graph(seed)
    expected = brute_force(pool, graph, labels)
    hidden = labels < 0
    scores, held_out = nearness(pool, graph, labels)
    np.testing.assert_allclose(scores[hidden], expected[hidden], rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(held_out, expected[~hidden], rtol=1e-4, atol=1e-9)
    n_farther = (held_out[None] <= scores[hidden, None]).sum(axis=1)
    np.testing.assert_allclose(belonging(pool, graph, labels)[hidden], (1 + n_farther) / 13, rtol=1e-6)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([12, 2 * N_FOLDS + 7]))
def test_permuting_the_pool_permutes_the_answer(seed, labelled):
    pool, graph, labels = with_graph(seed, n=110, labelled=labelled)
    order = np.random.default_rng(seed).permutation(110)
    permuted = belonging(pool[order], neighbor_graph(pool[order], 5), labels[order])
    np.testing.assert_allclose(permuted, belonging(pool, graph, labels)[order], rtol=1e-6)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([12, 40]))
def test_another_label_brings_no_sample_farther(seed, labelled):
    pool, graph, labels = with_graph(seed, labelled=labelled)
    more = labels.copy()
    more[np.flatnonzero(labels < 0)[0]] = 0
    hidden = more < 0
    before, after = nearness(pool, graph, labels)[0], nearness(pool, graph, more)[0]
    assert np.all(after[hidden] >= before[hidden] * (1 - 1e-6))


@pytest.mark.parametrize("labelled", [39, 79])
def test_of_samples_that_are_drawn_as_the_labels_are_a_share_of_alpha_at_most_is_refused(labelled):
    # 39 and 79 labels: more than there are folds, and places at which alpha can be met exactly.
    shares = []
    for seed in range(60):
        pool, graph, labels = with_graph(seed, n=160, n_classes=1, labelled=labelled)
        shares.append((belonging(pool, graph, labels)[labels < 0] <= np.float32(0.1)).mean())
    # The deviation of a mean of 60 is 0.006; folds of several labels make it a little less than alpha.
    assert 0.06 < np.mean(shares) < 0.115


def test_what_is_like_nothing_and_what_is_like_its_own_kind_are_refused_alike():
    rng = np.random.default_rng(0)
    classes = rng.standard_normal((300, 32)) * 0.3 + 2 * np.eye(32)[rng.integers(3, size=300)]
    scattered = rng.standard_normal((20, 32))
    group = rng.standard_normal((20, 32)) * 0.1 + 1.5 * np.eye(32)[5] + np.eye(32)[0]
    pool = np.concatenate([classes, scattered, group]).astype(np.float32)
    labels = np.full(340, -1)
    labels[:60] = 0
    p_values = belonging(pool, neighbor_graph(pool, 10), labels)
    assert np.all(p_values[300:] <= 0.02)
    assert (p_values[60:300] <= 0.02).mean() < 0.05
    assert np.all(p_values[:60] == 1)


@FEW
@given(st.integers(0, 10_000), st.integers(1, 18))
def test_few_labels_refuse_nothing(seed, labelled):
    pool, graph, labels = with_graph(seed, n_classes=1, labelled=labelled)
    p_values = belonging(pool, graph, labels)
    assert p_values.dtype == np.float32
    assert p_values.min() >= np.float32(1 / (labelled + 1))
    assert p_values.min() > 0.05


def test_a_refused_sample_abstains_and_the_rest_stays_as_it_was():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]], np.float32)
    before = decide(probabilities, Soft())
    after = refuse(before, np.array([1, 0.02, 0.03, 0.5], np.float32), 0.02)
    assert after.label.tolist() == [0, -1, 0, 0]
    assert after.abstained.tolist() == [False, True, False, False]
    assert after.weight.tolist() == [before.weight[0], 0, before.weight[2], before.weight[3]]
    assert after.weight.dtype == np.float32 and after.label.dtype == np.int64
    np.testing.assert_array_equal(after.confidence, before.confidence)
    assert refuse(before, np.full(4, 0.01, np.float32), 0).label.tolist() == [0, 1, 0, 0]


def test_what_the_policy_abstained_from_stays_so():
    decision = decide(np.array([[0.9, 0.1], [0.6, 0.4]], np.float32), Fixed(0.8))
    assert refuse(decision, np.ones(2, np.float32), 0.05).label.tolist() == [0, -1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, g, y: belonging(x[1:], g, y), "labels must have one entry for each of the 59 rows, got 60"),
        (lambda x, g, y: belonging(x, g, y.astype(np.int32)), "labels must be int64"),
        (lambda x, g, y: belonging(x, g, np.full_like(y, -1)), "labels must hold at least one label"),
        (lambda x, g, y: belonging(np.tile(x, (2, 1)), g, np.tile(y, 2)), "each of the 60 rows, got 120"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call(*with_graph(0))


@pytest.mark.parametrize(
    ("n", "alpha", "message"),
    [(2, 1, "alpha must be from 0"), (2, -0.1, "alpha must be from 0"), (3, 0.1, r"belonging must have shape \(2,\)")],
)
def test_a_bad_refusal_names_the_argument(n, alpha, message):
    decision = decide(np.full((2, 2), 0.5, np.float32), Everything())
    with pytest.raises(ValueError, match=message):
        refuse(decision, np.ones(n, np.float32), alpha)


@FEW
@given(st.integers(0, 10_000), st.integers(0, 20))
def test_new_rows_beside_others_that_stay_get_what_all_together_get(seed, n_new):
    pool, graph, labels = with_graph(seed)
    whole = judge_belonging(pool, graph, labels)
    new = np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(labels < 0))[:n_new])
    unread = replace(whole, p_values=whole.p_values.copy(), reached=whole.reached.copy())
    unread.p_values[new] = unread.reached[new] = 0.5
    found = belonging_of_new(pool, graph, labels, new, unread)
    np.testing.assert_allclose(found.reached, whole.reached, atol=1e-6)
    # Rounding may pass by a labelled sample that is as near.
    np.testing.assert_allclose(found.p_values, whole.p_values, atol=1.01 / (len(whole.held_out) + 1))
    assert (found.p_values == whole.p_values).mean() > 0.9


def test_a_label_that_came_since_belongs_and_leaves_the_others_as_they_were():
    pool, graph, labels = with_graph(3)
    before = judge_belonging(pool, graph, labels)
    row, new = int(np.flatnonzero(labels < 0)[0]), np.zeros(0, np.int64)
    labels[row] = 1
    found = belonging_of_new(pool, graph, labels, new, before)
    assert found.p_values[row] == 1
    assert np.array_equal(np.delete(found.p_values, row), np.delete(before.p_values, row))


def test_of_very_many_labels_those_of_the_nearest_cells_say_nearly_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((8, 16))
    kind = rng.integers(8, size=8000)
    pool = (centres[kind] + 0.7 * rng.standard_normal((8000, 16))).astype(np.float32)
    graph = neighbor_graph(pool, 10)
    labels = np.where((rng.random(8000) < 0.5) & (kind < 7), kind, -1)
    exact = judge_belonging(pool, graph, labels)
    monkeypatch.setattr(module, "MOST_EXACT", 0)
    few = partial(approximate_neighbors.approximate_search, n_probe=3)
    monkeypatch.setattr(approximate_neighbors, "approximate_search", few)
    near = judge_belonging(pool, graph, labels)
    assert (near.p_values != exact.p_values).any()
    assert np.abs(near.p_values - exact.p_values).mean() < 0.02
    assert near.reached.tolist() == exact.reached.tolist()
    of_the_classes = near.p_values[(labels < 0) & (kind < 7)]
    assert all((of_the_classes <= alpha).mean() <= alpha + 0.02 for alpha in (0.02, 0.05, 0.1, 0.5))
    assert (near.p_values[kind == 7] <= 0.02).mean() > 0.5
    new = np.flatnonzero(labels < 0)[:200]
    assert belonging_of_new(pool, graph, labels, new, near).p_values[new] == pytest.approx(near.p_values[new], abs=0.01)
