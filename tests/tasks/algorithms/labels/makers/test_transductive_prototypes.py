import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_pools import said
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.labels.cores.affinity import normalised_affinity
from windrow.tasks.algorithms.labels.makers.transductive_prototypes import TransductivePrototypes
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph

FEW = settings(max_examples=12, deadline=None)
HARD = TransductivePrototypes(strength=0, temperature=0, seed_weight=1)


def random_pool(seed, n=50, d=5, n_classes=3, labelled=9):
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=n)
    labels = np.full(n, -1, dtype=np.int64)
    rows = rng.permutation(n)[:labelled]
    labels[rows] = truth[rows]
    labels[rows[:n_classes]] = np.arange(n_classes)
    pool = (rng.standard_normal((n, d)) + 2 * np.eye(d)[truth]).astype(np.float32)
    return pool, neighbor_graph(pool, 5), labels


def transductive(pool, graph, labels, n_classes, maker=TransductivePrototypes()):  # noqa: B008  (frozen)
    return said(maker, pool, labels, n_classes, graph=graph)


def centred(pool):
    rows = pool / np.linalg.norm(pool.astype(np.float64), axis=1, keepdims=True)
    rows = rows - rows.mean(axis=0)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def seeded_kmeans(pool, labels, n_classes):
    rows = centred(pool)
    means = np.stack([rows[labels == c].mean(axis=0) for c in range(n_classes)])
    while True:
        nearest = ((rows[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
        nearest = np.where(labels >= 0, labels, nearest)
        moved = np.stack([rows[nearest == c].mean(axis=0) for c in range(n_classes)])
        if np.allclose(moved, means, atol=1e-12):
            return nearest, means
        means = moved


def objective(pool, graph, labels, found, config):
    rows, shares = centred(pool), found.probabilities.astype(np.float64)
    weight = np.where(labels >= 0, config.seed_weight, 1.0)[:, None]
    distance = 0.5 * ((rows[:, None] - found.means) ** 2).sum(axis=2)
    disorder = (shares * np.log(np.maximum(shares, 1e-300))).sum()
    pull = (shares * (normalised_affinity(graph, config.gamma) @ shares)).sum()
    return (weight * shares * distance).sum() + config.temperature * disorder - config.strength / 2 * pull


@FEW
@given(st.integers(0, 10_000))
def test_without_neighbours_and_temperature_it_is_seeded_k_means(seed):
    pool, graph, labels = random_pool(seed)
    found = HARD.moved(pool, graph, labels, 3)
    nearest, means = seeded_kmeans(pool, labels, 3)
    assert found.converged
    np.testing.assert_array_equal(found.probabilities, np.eye(3)[nearest])
    np.testing.assert_allclose(found.means, means, atol=1e-6)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from([0.05, 0.3]))
def test_where_it_converges_shares_and_means_stand_still(seed, strength, temperature):
    pool, graph, labels = random_pool(seed)
    config = TransductivePrototypes(strength, temperature, seed_weight=3)
    found = config.moved(pool, graph, labels, 3, tolerance=1e-8, max_iters=5000)
    assert found.converged
    rows, shares = centred(pool), found.probabilities.astype(np.float64)
    weighted = shares * np.where(labels >= 0, 3, 1)[:, None]
    np.testing.assert_allclose(found.means, weighted.T @ rows / weighted.sum(axis=0)[:, None], atol=1e-5)
    score = -0.5 * ((rows[:, None] - found.means) ** 2).sum(axis=2)
    score += strength * (normalised_affinity(graph, 3.0) @ shares)
    powers = np.exp((score - score.max(axis=1, keepdims=True)) / temperature)
    free = labels < 0
    np.testing.assert_allclose(shares[free], (powers / powers.sum(axis=1, keepdims=True))[free], atol=1e-4)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.1, 2.0]))
def test_the_objective_never_rises(seed, strength):
    pool, graph, labels = random_pool(seed)
    values = []
    for n_iters in range(1, 8):
        config = TransductivePrototypes(strength, 0.1, seed_weight=2)
        found = config.moved(pool, graph, labels, 3, tolerance=1e-9, max_iters=n_iters)
        values.append(objective(pool, graph, labels, found, config))
    assert np.all(np.diff(values) <= 1e-4)


@FEW
@given(st.integers(0, 10_000))
def test_seeds_stay_rows_sum_to_one_and_permuting_the_pool_permutes_them(seed):
    pool, graph, labels = random_pool(seed)
    order = np.random.default_rng(seed).permutation(len(pool))
    plain = transductive(pool, graph, labels, 5)
    np.testing.assert_allclose(plain.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(plain[labels >= 0], np.eye(5)[labels[labels >= 0]])
    assert not plain[:, 3:].any()
    permuted = transductive(pool[order], neighbor_graph(pool[order], 5), labels[order], 5)
    np.testing.assert_allclose(permuted, plain[order], atol=1e-5)


@FEW
@given(st.integers(0, 10_000))
def test_towards_temperature_zero_it_is_the_hard_answer(seed):
    pool, graph, labels = random_pool(seed)
    cold = TransductivePrototypes(strength=0, temperature=1e-7, seed_weight=1)
    np.testing.assert_allclose(
        transductive(pool, graph, labels, 3, cold),
        transductive(pool, graph, labels, 3, HARD),
        atol=1e-3,
    )


def test_of_four_points_the_one_between_goes_with_its_neighbour():
    turns = np.deg2rad([0.0, 180.0, 90.0, 95.0])
    pool = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    labels = np.array([0, 1, -1, -1])
    # Nothing pulls but the tie of the third to the first, and of the fourth to the second.
    graph = NeighborGraph(np.array([[2], [3], [0], [1]]), np.ones((4, 1), np.float32))
    config = TransductivePrototypes(strength=5.0, temperature=0.5)
    assert transductive(pool, graph, labels, 2, config).argmax(axis=1).tolist() == [0, 1, 0, 1]


def test_the_threads_change_nothing():
    pool, graph, labels = random_pool(7, n=300, d=60)
    whole = transductive(pool, graph, labels, 3)
    with threadpool_limits(1):
        np.testing.assert_array_equal(transductive(pool, graph, labels, 3), whole)


def test_too_few_steps_are_reported():
    pool, graph, labels = random_pool(8)
    found = TransductivePrototypes().moved(pool, graph, labels, 3, max_iters=2)
    assert (found.n_iters, found.converged) == (2, False)


def test_a_graph_of_another_pool_is_refused():
    pool, graph, labels = random_pool(9)
    with pytest.raises(ValueError, match="graph must have a row for each of the 49 labels, got 50"):
        transductive(pool[:49], graph, labels[:49], 3)
