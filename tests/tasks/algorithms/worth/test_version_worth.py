"""A set that teaches more is found to be worth more, and one cut from the same cloth is not."""

import numpy as np
import pytest

from windrow.tasks.algorithms.worth.set_probe import FeatureProbe, JudgedPool, judge_features
from windrow.tasks.algorithms.worth.version_worth import Judging, LastVersion, WorthOfVersion, worth_of_version

N, M = 900, 150
JUDGING = Judging(FeatureProbe("knn"), 5, 20_000, 0)


@pytest.fixture(scope="module")
def pool() -> JudgedPool:
    """Ten classes, the largest 60 times as large as the smallest; those to judge by are even."""
    rng = np.random.default_rng(0)
    shares = 60.0 ** (-np.arange(10) / 9)
    labels, truth = rng.choice(10, N, p=shares / shares.sum()), np.arange(M) % 10
    means = rng.standard_normal((10, 16))
    embeddings = np.concatenate([means[labels], means[truth]]) + 0.9 * rng.standard_normal((N + M, 16))
    features = judge_features(embeddings, np.arange(N + M))
    return JudgedPool(features[:N], labels, np.ones(N), features[N:], truth, 10)


def even(labels: np.ndarray) -> np.ndarray:
    """Rows in turn by class, as long as they last."""
    turn = np.empty(len(labels))
    for each in np.unique(labels):
        turn[labels == each] = np.arange((labels == each).sum())
    return np.argsort(turn, kind="stable")


def judged(pool: JudgedPool, ranked: np.ndarray, last: LastVersion | None = None, distinct=None) -> WorthOfVersion:
    every = np.arange(N) if distinct is None else distinct
    return worth_of_version(pool, np.arange(M), ranked, every, last, JUDGING, False)


def test_an_even_set_is_worth_more_than_random_ones_and_than_a_last_random_version(pool: JudgedPool) -> None:
    random = np.random.default_rng(1).permutation(N)[:100]
    last = LastVersion(random, pool.labels, pool.weights, np.ones(M, np.bool_))
    found = judged(pool, even(pool.labels)[:100], last, distinct=np.arange(N - 100))
    assert found.random.verdict == "better"
    assert found.deduplicated is not None
    assert found.deduplicated.verdict == "better"
    assert found.multiplier.value > 1.5
    assert found.multiplier.low > 1
    assert found.last is not None
    n, against = found.last
    assert (n, against.verdict) == (100, "better")


def test_the_last_version_is_worse_with_worse_labels_and_equal_to_itself(pool: JudgedPool) -> None:
    ranked, usable = even(pool.labels)[:100], np.arange(M) > 10
    itself = judged(pool, ranked, LastVersion(ranked, pool.labels, pool.weights, usable)).last
    assert itself is not None
    assert (itself[1].value, itself[1].low, itself[1].high) == (0, 0, 0)
    wrong = np.where(np.arange(N) % 2 == 0, (pool.labels + 1) % 10, pool.labels)
    worse = judged(pool, ranked, LastVersion(ranked, wrong, pool.weights, usable)).last
    assert worse is not None
    assert worse[1].verdict == "better"


def test_a_random_set_is_no_different_and_the_same_seed_says_the_same(pool: JudgedPool) -> None:
    ranked = np.random.default_rng(2).permutation(N)[:200]
    found = judged(pool, ranked)
    assert found.random.verdict == "unclear"
    assert found.multiplier.low <= 1 <= found.multiplier.high
    assert (found.deduplicated, found.last) == (None, None)
    assert judged(pool, ranked).multiplier == found.multiplier


def test_a_set_larger_than_probes_train_on_is_judged_by_its_beginning(pool: JudgedPool) -> None:
    few = Judging(FeatureProbe("knn"), 5, 120, 0)
    found = worth_of_version(pool, np.arange(M), even(pool.labels), np.arange(N), None, few, False)
    assert found.n == 120
    assert [runs.size for runs in found.curve] == [15, 30, 60, 120]
    assert all(len(runs.right) == 5 for runs in found.curve)
