import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from windrow.tasks.algorithms.labels.cores.partial_transport import TransportConfig, p2ot_labels, rho_ramp
from windrow.tasks.algorithms.labels.cores.semantic_transport import divergence, sp2ot_labels
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph

FEW = settings(max_examples=15, deadline=None)


def random_probabilities(seed, n=12, k=3):
    return np.random.default_rng(seed).dirichlet(np.ones(k), size=n).astype(np.float32)


def objective(plan, shares, rho, config, similarity=None, semantic_weight=0.0):
    """What a plan (n, k) pays, as the papers write it."""
    n, k = plan.shape
    whole = np.maximum(np.column_stack([plan, 1 / n - plan.sum(axis=1)]), 1e-300)
    mass = plan.sum(axis=0)
    value = -(plan * np.log(shares)).sum() + config.eps * (whole * np.log(whole)).sum()
    value += config.size_weight * (mass * np.log(mass / (rho / k))).sum()
    if similarity is not None:
        value -= semantic_weight * n * np.sum(similarity * (plan @ plan.T))
    return value


def by_brute_force(shares, rho, config):
    """The best plan by a general solver, its rows with the virtual column as softmax of anything."""
    n, k = shares.shape

    def plan(flat):
        powers = np.exp(flat.reshape(n, k + 1))
        return (powers / powers.sum(axis=1, keepdims=True) / n)[:, :k]

    found = minimize(
        lambda flat: objective(plan(flat), shares.astype(np.float64), rho, config),
        np.zeros(n * (k + 1)),
        method="SLSQP",
        constraints={"type": "eq", "fun": lambda flat: plan(flat).sum() - rho},
        options={"maxiter": 1000, "ftol": 1e-14},
    )
    return plan(found.x), found.fun


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("rho", "size_weight", "eps"), [(0.5, 1.0, 0.3), (0.8, 0.2, 0.5), (0.3, 3.0, 0.2)])
def test_the_plan_is_that_of_a_general_solver(seed, rho, size_weight, eps):
    shares, config = random_probabilities(seed, n=4), TransportConfig(size_weight, eps, tolerance=1e-9)
    found = p2ot_labels(shares, rho, config)
    plan = found.probabilities.astype(np.float64) * found.confidence[:, None] / 4
    expected, least = by_brute_force(shares, rho, config)
    assert objective(plan, shares.astype(np.float64), rho, config) <= least + 1e-6
    np.testing.assert_allclose(plan, expected, atol=2e-3)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.6, 1.0]))
def test_the_mass_given_is_rho_and_no_sample_gives_more_than_it_has(seed, rho):
    found = p2ot_labels(random_probabilities(seed), rho)
    np.testing.assert_allclose(found.confidence.mean(), rho, rtol=1e-5)
    np.testing.assert_allclose(found.shares.sum(), rho, rtol=1e-5)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)
    assert found.confidence.max() <= 1
    mass = (found.probabilities * found.confidence[:, None]).mean(axis=0)
    np.testing.assert_allclose(mass, found.shares, atol=1e-6)


@FEW
@given(st.integers(0, 10_000))
def test_the_heavier_the_size_weight_the_nearer_the_clusters_are_to_equal(seed):
    shares = random_probabilities(seed)
    gaps = [
        divergence(p2ot_labels(shares, 0.7, TransportConfig(weight, tolerance=1e-5)).shares, np.full(3, 0.7 / 3))
        for weight in (0.01, 0.3, 9.0)
    ]
    assert gaps[0] >= gaps[1] - 1e-9 >= gaps[2] - 2e-9


def test_without_a_size_weight_each_sample_keeps_its_own_sharpened_probabilities():
    shares = random_probabilities(3)
    found = p2ot_labels(shares, 1.0, TransportConfig(1e-9, 0.5))
    np.testing.assert_allclose(found.probabilities, shares**2 / (shares**2).sum(axis=1, keepdims=True), atol=1e-5)


def test_the_surest_samples_are_given_a_cluster_first():
    shares = np.array([[0.99, 0.01], [0.02, 0.98], [0.55, 0.45], [0.5, 0.5]], np.float32)
    confidence = p2ot_labels(shares, 0.5, TransportConfig(eps=0.05)).confidence
    np.testing.assert_allclose(confidence, [1, 1, 0, 0], atol=1e-2)


def test_labelled_samples_keep_their_label_with_confidence_one():
    shares = np.full((4, 2), 0.5, np.float32)
    found = p2ot_labels(shares, 0.6, labels=np.array([1, -1, -1, -1]))
    np.testing.assert_allclose(found.probabilities[0], [0, 1], atol=1e-6)
    np.testing.assert_allclose(found.confidence, [1, 1.4 / 3, 1.4 / 3, 1.4 / 3], atol=1e-4)
    assert np.all(found.probabilities[1:, 0] > 0.5)


@FEW
@given(st.integers(0, 10_000))
def test_permuting_the_pool_permutes_the_labels(seed):
    rng = np.random.default_rng(seed)
    pool, shares, order = rng.standard_normal((12, 4)), random_probabilities(seed), rng.permutation(12)
    plain = sp2ot_labels(shares, neighbor_graph(pool, 3), 0.7).labels
    permuted = sp2ot_labels(shares[order], neighbor_graph(pool[order], 3), 0.7).labels
    np.testing.assert_allclose(permuted.probabilities, plain.probabilities[order], atol=1e-6)
    np.testing.assert_allclose(permuted.confidence, plain.confidence[order], atol=1e-6)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.1, 1.0, 5.0]), st.sampled_from([0.3, 1.0]), st.booleans())
def test_the_semantic_objective_never_rises(seed, weight, rho, some_labelled):
    rng = np.random.default_rng(seed)
    labels = np.where(np.arange(30) < 6, rng.integers(3, size=30), -1) if some_labelled else None
    graph = neighbor_graph(rng.standard_normal((30, 4)), 5)
    config = TransportConfig(tolerance=1e-9)
    values = sp2ot_labels(random_probabilities(seed, 30), graph, rho, weight, config, labels=labels).objective
    assert len(values) == 11
    assert np.all(np.diff(values) <= 1e-8 * (1 + np.abs(values[1:])))


def test_the_semantic_objective_is_the_papers_on_its_plan():
    rng = np.random.default_rng(2)
    shares, graph = random_probabilities(2, 6), neighbor_graph(rng.standard_normal((6, 3)), 2)
    config = TransportConfig(tolerance=1e-10)
    found = sp2ot_labels(shares, graph, 0.6, 0.7, config, n_steps=3)
    affinity = np.zeros((6, 6))
    for i in range(6):
        affinity[i, graph.indices[i]] = np.maximum(graph.similarity[i].astype(np.float64), 0) ** 3
    affinity += affinity.T.copy()
    scale = 1 / np.sqrt(affinity.sum(axis=1))
    similarity = (np.eye(6) + scale[:, None] * affinity * scale) / 2
    assert np.linalg.eigvalsh(similarity).min() >= -1e-12
    plan = found.labels.probabilities.astype(np.float64) * found.labels.confidence[:, None] / 6
    expected = objective(plan, shares.astype(np.float64), 0.6, config, similarity, 0.7)
    np.testing.assert_allclose(found.objective[-1], expected, rtol=1e-5)


def test_without_a_semantic_weight_it_is_p2ot():
    shares, graph = random_probabilities(8), neighbor_graph(np.random.default_rng(8).standard_normal((12, 4)), 3)
    found, plain = sp2ot_labels(shares, graph, 0.5, semantic_weight=0.0).labels, p2ot_labels(shares, 0.5)
    np.testing.assert_allclose(found.probabilities, plain.probabilities, atol=1e-6)


def test_neighbours_win_over_an_undecided_sample():
    shares = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9], [0.1, 0.9]], np.float32)
    graph = NeighborGraph(np.array([[1], [0], [3], [2]]), np.ones((4, 1), np.float32))
    assert sp2ot_labels(shares, graph).labels.probabilities[1, 0] > 0.9


def test_the_ramp_starts_near_first_and_ends_at_one():
    ramp = [rho_ramp(step, 10) for step in range(11)]
    assert ramp[0] == pytest.approx(0.1 + 0.9 * np.exp(-5)) and ramp[-1] == 1
    assert ramp == sorted(ramp)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rho": 0.0}, "rho must be above 0 and at most 1, got 0.0"),
        ({"rho": 0.1, "labels": np.array([0, 0] + [-1] * 10)}, "share that is labelled, 0.167, got 0.1"),
        ({"marginal": np.ones(2)}, "marginal must be 3 numbers"),
    ],
)
def test_a_bad_call_names_the_argument(options, message):
    with pytest.raises(ValueError, match=message):
        p2ot_labels(random_probabilities(0), **options)


def test_a_bad_semantic_call_or_config_or_step_is_named():
    graph = NeighborGraph(np.array([[1], [0]]), np.ones((2, 1), np.float32))
    with pytest.raises(ValueError, match="graph must have one row for each of the 12 samples, got 2"):
        sp2ot_labels(random_probabilities(0), graph)
    with pytest.raises(ValueError, match="semantic_weight must not be negative"):
        sp2ot_labels(random_probabilities(0, n=2), graph, semantic_weight=-1.0)
    with pytest.raises(ValueError, match="n_steps must be positive, got 0"):
        sp2ot_labels(random_probabilities(0, n=2), graph, n_steps=0)
    with pytest.raises(ValueError, match=r"eps: wants more than 0, got 0\.0"):
        TransportConfig(eps=0.0)
    with pytest.raises(ValueError, match="step must be from 0 to n_steps, got 3 of 2"):
        rho_ramp(3, 2)
