import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.labels.cores.cache_refinement import cache_refinement, cached_rows
from windrow.tasks.algorithms.labels.probabilities import normalise_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

FEW = settings(max_examples=25, deadline=None)


def random_pool(seed, n=30, d=6, n_classes=4):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), normalise_rows(rng.random((n, n_classes)) ** 3)


def by_hand(pool, shares, per_class, beta, weight):
    units = pool / np.linalg.norm(pool, axis=1, keepdims=True)
    predicted, n_classes = shares.argmax(axis=1), shares.shape[1]
    cache = []
    for c in range(n_classes):
        rows = np.flatnonzero(predicted == c)
        prototype = units[rows].sum(axis=0)
        prototype = prototype / np.linalg.norm(prototype) if len(rows) else prototype
        cache.append(sorted(rows, key=lambda i: -shares[i, c] * (units[i] @ prototype))[:per_class])
    answer = np.empty(shares.shape)
    for i in range(len(pool)):
        for c in range(n_classes):
            near = [
                np.exp(-beta * (1 - units[i] @ units[j])) * np.sqrt(shares[i] * shares[j]).sum()
                for j in cache[c]
                if j != i
            ]
            answer[i, c] = shares[i, c] * np.exp(weight * (np.mean(near) if near else 0))
    return answer / answer.sum(axis=1, keepdims=True)


def test_a_sample_moves_towards_the_class_of_the_cached_sample_it_resembles():
    pool = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    shares = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], np.float32)
    refined = cache_refinement(pool, SparseProbabilities.of(shares, 2), 1, 1.0, 2.0)
    # The third is predicted 0, the lowest of equals, but less surely than the first: the first two are cached.
    # Both predictions are sqrt(1/2) like its own, the features 1 and exp(-1).
    logits = 2.0 * 0.5**0.5 * np.array([1.0, np.exp(-1.0)])
    np.testing.assert_allclose(refined[2], np.exp(logits) / np.exp(logits).sum(), atol=1e-6)
    # The first is alone in its class's cache, and has nothing in common with the prediction of the other.
    np.testing.assert_allclose(refined[0], [1, 0], atol=1e-6)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.0, 1.0, 5.5]), st.integers(1, 12))
def test_the_refinement_is_that_of_plain_loops(seed, beta, per_class):
    pool, shares = random_pool(seed)
    refined = cache_refinement(pool, SparseProbabilities.of(shares, 4), per_class, beta, 3.0)
    np.testing.assert_allclose(refined, by_hand(pool, shares.astype(np.float64), per_class, beta, 3.0), atol=1e-5)
    np.testing.assert_allclose(refined.sum(axis=1), 1, atol=1e-6)


@FEW
@given(st.integers(0, 10_000))
def test_permuting_the_pool_permutes_the_answer_to_the_bit(seed):
    pool, shares = random_pool(seed)
    order = np.random.default_rng(seed).permutation(len(pool))
    plain = cache_refinement(pool, SparseProbabilities.of(shares, 3))
    with threadpool_limits(1):
        permuted = cache_refinement(pool[order], SparseProbabilities.of(shares[order], 3))
    np.testing.assert_array_equal(permuted, plain[order])
    rows = order[:5]
    np.testing.assert_array_equal(cache_refinement(pool, SparseProbabilities.of(shares, 3), rows=rows), plain[rows])


def test_blocks_of_rows_and_of_classes_join_up(monkeypatch):
    pool, shares = random_pool(7, n=50, n_classes=9)
    plain = cache_refinement(pool, SparseProbabilities.of(shares, 9))
    for name, size in (("BLOCK_ROWS", 6), ("BLOCK_CLASSES", 2)):
        monkeypatch.setattr(f"windrow.tasks.algorithms.labels.cores.cache_refinement.{name}", size)
    np.testing.assert_array_equal(cache_refinement(pool, SparseProbabilities.of(shares, 9)), plain)


def test_without_weight_nothing_changes():
    pool, shares = random_pool(3)
    same = cache_refinement(pool, SparseProbabilities.of(shares, 4), weight=0.0)
    np.testing.assert_allclose(same, shares, atol=1e-6)


def test_the_cache_holds_the_best_of_each_predicted_class_and_says_where_there_are_none():
    pool = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1], [0.0, 1.0]])
    shares = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.6, 0.4, 0], [0.1, 0.9, 0]], np.float32)
    kept = cached_rows(pool, SparseProbabilities.of(shares, 3), 2)
    assert kept.tolist() == [[0, 1], [3, -1], [-1, -1]]


def test_noisy_predictions_of_clear_clusters_get_better():
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=400)
    pool = 3 * np.eye(8)[truth] + rng.standard_normal((400, 8))
    noisy = normalise_rows(np.exp(1.0 * np.eye(4)[truth] + rng.standard_normal((400, 4))))
    refined = cache_refinement(pool, SparseProbabilities.of(noisy, 4), weight=5.0)
    before, after = ((p.argmax(axis=1) == truth).mean() for p in (noisy, refined))
    assert after > before + 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: cache_refinement(np.ones((3, 2)), SparseProbabilities.of(np.ones((2, 1), np.float32), 1)),
            "predictions must have one row for each of the 3, got 2",
        ),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
