import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.cores.affinity import least_eigenvalue, normalised_affinity
from windrow.tasks.algorithms.labels.cores.prediction_smoothing import (
    Ties,
    damped_step,
    smooth_new,
    smooth_predictions,
)
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph

FEW = settings(max_examples=15, deadline=None)
ONE = np.array([[1, 0]], np.float32)
PAIR = NeighborGraph(np.array([[1], [0]]), np.ones((2, 1), np.float32))


def random_pool(seed, n=40, n_classes=3, k=4):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(n_classes), size=n).astype(np.float32)
    return rng.standard_normal((n, 4)), shares, k


def objective(graph, shares, given, strength, gamma=3.0):
    wide = np.maximum(shares.astype(np.float64), 1e-300)
    start = np.maximum(given.astype(np.float64), 1e-7)
    pull = (wide * (normalised_affinity(graph, gamma) @ wide)).sum()
    return float((wide * np.log(wide / start)).sum() - strength / 2 * pull)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.5, 2.0, 5.0]))
def test_the_answer_is_where_lames_own_step_stands_still(seed, strength):
    pool, shares, k = random_pool(seed)
    graph = neighbor_graph(pool, k)
    found = smooth_predictions(Ties.of(graph), shares, strength, tolerance=1e-9, max_iters=20_000)
    assert found.converged
    wide = found.probabilities.astype(np.float64)
    powers = np.maximum(shares, 1e-7) * np.exp(strength * (normalised_affinity(graph, 3.0).toarray() @ wide))
    np.testing.assert_allclose(wide, powers / powers.sum(axis=1, keepdims=True), atol=1e-4)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([1.0, 5.0, 50.0]), st.integers(1, 6))
def test_the_objective_never_rises(seed, strength, k):
    pool, shares, _ = random_pool(seed)
    graph = neighbor_graph(pool, k)
    values = [objective(graph, shares, shares, strength)]
    for n_iters in range(1, 8):
        moved = smooth_predictions(Ties.of(graph), shares, strength, max_iters=n_iters).probabilities
        values.append(objective(graph, moved, shares, strength))
    assert np.all(np.diff(values) <= 1e-4)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.5, 2.0, 5.0]))
def test_rows_that_are_not_looked_at_are_where_steps_of_all_rows_would_bring_them(seed, strength):
    pool, shares, k = random_pool(seed)
    graph = neighbor_graph(pool, k)
    found = smooth_predictions(Ties.of(graph), shares, strength, tolerance=1e-9, max_iters=20_000)
    wide, affinity = shares.astype(np.float64), normalised_affinity(graph, 3.0)
    start = np.log(np.maximum(wide, 1e-7))
    for _ in range(3000):
        wide = damped_step(start, affinity @ wide, wide, strength)
    np.testing.assert_allclose(found.probabilities, wide, atol=1e-5)


@FEW
@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(1, 5))
def test_ties_pull_apart_by_no_more_than_is_said(seed, n, k):
    graph = neighbor_graph(np.random.default_rng(seed).standard_normal((n, 3)), min(k, n - 1))
    affinity = normalised_affinity(graph, 3.0)
    least = np.linalg.eigvalsh(affinity.toarray())[0]
    assert least_eigenvalue(affinity) == pytest.approx(least, abs=0.02)
    assert -least - 1e-9 <= Ties.of(graph).apart <= 1


def test_a_pair_that_pulls_itself_apart_would_swing_and_does_not():
    # Undamped, (0.9, 0.1) and (0.1, 0.9) change places for ever under a strong tie.
    given_shares = np.array([[0.9, 0.1], [0.1, 0.9]], np.float32)
    found = smooth_predictions(Ties.of(PAIR), given_shares, strength=20.0, max_iters=5000)
    assert found.converged
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)


def test_an_unsure_sample_hears_its_sure_neighbour():
    found = smooth_predictions(Ties.of(PAIR), np.array([[0.5, 0.5], [1, 0]], np.float32), strength=1.0)
    # z = softmax(log q + z of the other): the second's share stays near 1, so the first's is near e / (e + 1).
    np.testing.assert_allclose(found.probabilities[0, 0], np.e / (np.e + 1), atol=1e-5)


@FEW
@given(st.integers(0, 10_000))
def test_without_strength_the_predictions_come_back(seed):
    pool, shares, k = random_pool(seed)
    found = smooth_predictions(Ties.of(neighbor_graph(pool, k)), shares, strength=0.0)
    np.testing.assert_allclose(found.probabilities, shares, atol=1e-6)
    assert (found.n_iters, found.converged) == (0, True)


@FEW
@given(st.integers(0, 10_000))
def test_rows_sum_to_one_and_permuting_the_pool_permutes_them(seed):
    pool, shares, k = random_pool(seed)
    order = np.random.default_rng(seed).permutation(len(pool))
    plain = smooth_predictions(Ties.of(neighbor_graph(pool, k)), shares, 2.0)
    permuted = smooth_predictions(Ties.of(neighbor_graph(pool[order], k)), shares[order], 2.0)
    np.testing.assert_allclose(plain.probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(permuted.probabilities, plain.probabilities[order], atol=1e-5)


def test_a_class_that_nothing_is_keeps_zero_and_a_sure_row_is_no_veto():
    triangle = NeighborGraph(np.array([[1, 2], [0, 2], [0, 1]]), np.ones((3, 2), np.float32))
    shares = np.array([[0, 1, 0], [1, 0, 0], [1, 0, 0]], np.float32)
    found = smooth_predictions(Ties.of(triangle), shares, strength=40.0, max_iters=5000).probabilities
    assert not found[:, 2].any()
    assert found[0].argmax() == 0


def test_too_few_steps_are_reported():
    found = smooth_predictions(Ties.of(PAIR), np.array([[0.9, 0.1], [0.2, 0.8]], np.float32), max_iters=2)
    assert (found.n_iters, found.converged) == (2, False)
    assert found.gap > 1e-6


@pytest.mark.parametrize(
    ("shares", "options", "message"),
    [
        (np.eye(3), {}, r"probabilities must be \(2, n_classes\), a row for each of the graph, got \(3, 3\)"),
        (np.ones((2, 2)), {}, "probabilities must be at least 0 and have rows of sum 1"),
        (np.eye(2), {"strength": -1.0}, "strength must be at least 0, got -1.0"),
        (np.eye(2), {"tolerance": 0.0}, "tolerance must be between 0 and 1, got 0.0"),
        (np.eye(2), {"max_iters": 0}, "max_iters must be positive, got 0"),
    ],
)
def test_a_bad_call_names_the_argument(shares, options, message):
    with pytest.raises(ValueError, match=message):
        smooth_predictions(Ties.of(PAIR), shares.astype(np.float32), **options)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.0, 2.0, 8.0]), st.integers(0, 40))
def test_new_rows_beside_others_that_stand_still_are_where_all_together_would_stand_still(seed, strength, n_new):
    pool, shares, k = random_pool(seed)
    graph = neighbor_graph(pool, k)
    together = smooth_predictions(Ties.of(graph), shares, strength, tolerance=1e-9, max_iters=20_000).probabilities
    new = np.sort(np.random.default_rng(seed).permutation(40)[:n_new])
    said = together.copy()
    said[new] = 7.0  # is not read
    found = smooth_new(graph, shares[new], new, said, strength, tolerance=1e-9, max_iters=20_000)
    wide = together.astype(np.float64)
    wide[new] = found
    heard = normalised_affinity(graph, 3.0).toarray()[new] @ wide
    powers = np.maximum(shares[new], 1e-7) * np.exp(strength * heard)
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), atol=1e-4)


def test_a_gamma_that_is_not_positive_is_refused():
    for asked in (lambda: Ties.of(PAIR, 0.0), lambda: smooth_new(PAIR, ONE, np.array([1]), ONE, gamma=0.0)):
        with pytest.raises(ValueError, match=r"gamma must be positive, got 0\.0"):
            asked()


def test_new_rows_want_a_row_of_what_was_said_for_each_of_the_graph():
    with pytest.raises(ValueError, match="said must be"):
        smooth_new(PAIR, np.array([[1, 0]], np.float32), np.array([1]), np.ones((1, 2), np.float32))
