import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.deciding.policy import Evidence, decide
from windrow.tasks.algorithms.labels.deciding.reliable import (
    Reliable,
    class_capacity,
    reliable_and_distinct,
    row_entropy,
)

FEW = settings(max_examples=25, deadline=None)


def distributions(seed, n=80, n_classes=4):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.1), size=n).astype(np.float32)


def one_hot(*counts):
    return np.eye(len(counts), dtype=np.float32)[np.repeat(np.arange(len(counts)), counts)]


def test_entropy_and_weight_by_hand():
    rows = np.array([[1, 0], [0.5, 0.5], [0.95, 0.05]], np.float32)
    third = -(0.95 * np.log(0.95) + 0.05 * np.log(0.05))
    np.testing.assert_allclose(row_entropy(rows), [0, np.log(2), third], rtol=1e-5, atol=1e-7)
    assert reliable_and_distinct(rows, np.arange(3), max_cosine=1.0).tolist() == [True, False, True]
    evidence = Evidence(np.full(3, -1), keys=np.arange(3))
    np.testing.assert_allclose(decide(rows, Reliable(max_cosine=1.0), evidence=evidence).weight, [1, 0, np.exp(-third)])


def test_a_capacity_solves_what_the_stream_settles_at():
    # 30 of one class against 3 and 4: at a cosine of 0.8 the first gets x with x / sqrt(x^2 + 25) = 0.8.
    assert class_capacity(np.array([30, 3, 4, 0]), 0.8) == pytest.approx(20 / 3)
    assert class_capacity(np.array([5, 5, 5]), 0.8) == 5
    assert class_capacity(np.array([50, 7]), 0.5) == 7
    assert class_capacity(np.array([0, 0]), 0.5) == 0


@FEW
@given(st.lists(st.integers(0, 500), min_size=3, max_size=8), st.floats(0.6, 1))
def test_no_class_is_more_of_the_mean_than_the_limit_and_none_could_be_larger(counts, limit):
    counts = np.array(counts)
    capacity = class_capacity(counts, limit)
    kept = np.minimum(counts, capacity)
    if np.count_nonzero(counts) * limit**2 >= 1.001:
        assert kept.max() <= limit * np.linalg.norm(kept) * (1 + 1e-9)
        larger = np.minimum(counts, capacity * 1.01 + 0.01)
        assert capacity == counts.max() or larger.max() > limit * np.linalg.norm(larger)


def test_the_stream_filter_settles_near_the_capacity():
    rng = np.random.default_rng(0)
    stream = rng.choice(4, size=40_000, p=[0.7, 0.1, 0.1, 0.1])
    mean, kept = np.zeros(4), np.zeros(4)
    for label in stream:
        one = np.eye(4)[label]
        norm = np.linalg.norm(mean)
        if norm == 0 or mean[label] / norm < 0.75:
            mean, kept = 0.002 * one + 0.998 * mean, kept + one
    counts = np.bincount(stream)
    expected = np.minimum(counts, class_capacity(counts, 0.75))
    np.testing.assert_allclose(kept / kept.sum(), expected / expected.sum(), atol=0.02)


def test_a_common_class_is_thinned_to_its_least_redundant():
    common = np.array([[0.99, 0.01], [0.97, 0.03], [0.95, 0.05], [0.96, 0.04]], np.float32)
    rows = np.concatenate([common, [[0.02, 0.98], [0.02, 0.98]]]).astype(np.float32)
    kept = reliable_and_distinct(rows, np.arange(6), max_cosine=0.72)
    assert kept.tolist() == [True, True, False, False, True, True]


def test_duplicates_are_thinned_by_their_keys():
    rows, keys = one_hot(50, 10), np.arange(100, 160)
    found = reliable_and_distinct(rows, keys, max_cosine=0.8, seed=3)
    assert np.bincount(rows.argmax(axis=1)[found]).tolist() == [13, 10]
    other = reliable_and_distinct(rows, keys, max_cosine=0.8, seed=4)
    assert other.sum() == 23 and np.any(other != found)


@FEW
@given(st.integers(0, 10_000))
def test_permuting_the_pool_permutes_the_answer(seed):
    rows, order = distributions(seed), np.random.default_rng(seed).permutation(80)
    keys = np.arange(80)
    plain, permuted = reliable_and_distinct(rows, keys), reliable_and_distinct(rows[order], keys[order])
    np.testing.assert_array_equal(permuted, plain[order])
    assert not np.any(plain & (row_entropy(rows) >= 0.4 * np.log(4)))


def test_unsure_pools_keep_nothing_and_empty_ones_are_empty():
    assert not reliable_and_distinct(np.full((3, 4), 0.25, np.float32), np.arange(3)).any()
    assert reliable_and_distinct(np.empty((0, 4), np.float32), np.arange(0)).shape == (0,)
    np.testing.assert_allclose(row_entropy(np.full((1, 4), 0.25, np.float32)), [np.log(4)], rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: reliable_and_distinct(p, np.arange(2)), "keys must have one entry for each of the 80 rows, got 2"),
        (lambda p: reliable_and_distinct(p, np.arange(80), 0), "entropy_share and max_cosine must be above 0"),
        (lambda p: reliable_and_distinct(p, np.arange(80), 0.4, 1.5), "at most 1, got 0.4 and 1.5"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call(distributions(0))
