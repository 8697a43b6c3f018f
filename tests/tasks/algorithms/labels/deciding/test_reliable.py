import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.deciding.policy import Evidence, decide
from windrow.tasks.algorithms.labels.deciding.reliable import (
    Reliable,
    reliable_and_distinct,
    row_entropy,
)
from windrow.tasks.algorithms.selection.seeded_order import seeded_order

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


def streamed(rows, order, limit, entropy_share=0.4, batch=64):
    """The published stream, as its equations 3 to 6 have it, one batch after the other."""
    sure = -(rows * np.log(np.maximum(rows, 1e-30))).sum(axis=1) < entropy_share * np.log(rows.shape[1])
    average, kept = None, np.zeros(len(rows), bool)
    for start in range(0, len(order), batch):
        new = []
        for row in order[start : start + batch]:
            p = rows[row].astype(float)
            if sure[row] and (average is None or p @ average < limit * np.linalg.norm(p) * np.linalg.norm(average)):
                kept[row] = True
                new.append(p)
        if new:
            average = np.mean(new, axis=0) if average is None else 0.9 * average + 0.1 * np.mean(new, axis=0)
    return kept


def long_tail(seed, n=362, n_classes=10, imbalance=50):
    """What a classifier that is mostly right says of a long-tailed pool."""
    rng = np.random.default_rng(seed)
    shares = imbalance ** (-np.arange(n_classes) / (n_classes - 1.0))
    logits = rng.normal(size=(n, n_classes))
    logits[np.arange(n), rng.choice(n_classes, n, p=shares / shares.sum())] += rng.uniform(1, 8, n)
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)


@FEW
@given(st.integers(0, 10_000), st.floats(0.3, 0.9))
def test_what_is_kept_is_what_the_stream_keeps_in_the_order_of_the_keys(seed, limit):
    rows = long_tail(seed, n=200)
    stream = np.argsort(seeded_order(np.arange(200), 5))
    found = reliable_and_distinct(rows, np.arange(200), max_cosine=limit, seed=5)
    np.testing.assert_array_equal(found, streamed(rows, stream, limit))


@pytest.mark.parametrize("imbalance", [1, 20, 100])
def test_of_a_long_tail_as_many_are_kept_as_a_stream_keeps_in_any_order(imbalance):
    rows = long_tail(imbalance, imbalance=imbalance)
    orders = [np.random.default_rng(seed).permutation(len(rows)) for seed in range(40)]
    counts = [streamed(rows, order, 1.25 / np.sqrt(10)).sum() for order in orders]
    found = [reliable_and_distinct(rows, np.arange(len(rows)), seed=seed).sum() for seed in range(40)]
    assert min(counts) <= found[0] <= max(counts)
    assert abs(np.mean(found) - np.mean(counts)) < 3 * np.hypot(np.std(found), np.std(counts)) / np.sqrt(40)


def test_a_common_class_is_thinned_and_a_rare_one_is_not():
    rows = one_hot(500, 20, 20, 20)
    found = np.bincount(rows.argmax(axis=1)[reliable_and_distinct(rows, np.arange(560))], minlength=4)
    assert 30 < found[0] < 250 and found[1:].tolist() == [20, 20, 20]
    assert reliable_and_distinct(rows, np.arange(560), max_cosine=1.0).all()


def test_other_seeds_keep_others():
    rows = one_hot(500, 20, 20, 20)
    assert np.any(reliable_and_distinct(rows, np.arange(560)) != reliable_and_distinct(rows, np.arange(560), seed=1))


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
