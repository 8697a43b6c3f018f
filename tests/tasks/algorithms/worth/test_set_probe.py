"""Probes: what they learn from a set, and what features they see."""

import numpy as np
import pytest

from windrow.tasks.algorithms.worth.coverage import coverage
from windrow.tasks.algorithms.worth.set_probe import JudgedPool, is_right, judge_features


def clouds(n: int, seed: int, truth: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=n) if truth is None else truth
    return judge_features(rng.normal(0, 0.3, (n, 6)) + np.eye(6)[truth], np.arange(n)), truth


@pytest.fixture(scope="module")
def pool() -> JudgedPool:
    (features, labels), (evaluated, truth) = clouds(200, 0), clouds(90, 1)
    return JudgedPool(features, labels, np.ones(200), evaluated, truth, 3)


@pytest.mark.parametrize("probe", ["logistic", "knn"])
def test_more_samples_teach_more_and_what_has_no_label_nothing(pool: JudgedPool, probe) -> None:
    few, many = (is_right(pool, np.arange(n), probe, False).mean() for n in (2, 200))
    assert many > 0.95 > 0.7 > few
    unlabelled = JudgedPool(pool.features, np.full(200, -1), pool.weights, pool.evaluated, pool.truth, 3)
    assert not is_right(unlabelled, np.arange(200), probe, False).any()


@pytest.mark.parametrize("probe", ["logistic", "knn"])
def test_a_weight_of_zero_is_no_label_and_class_weights_help_the_rare(pool: JudgedPool, probe) -> None:
    wrong = np.where(np.arange(200) < 100, (pool.labels + 1) % 3, pool.labels)
    doubted = JudgedPool(pool.features, wrong, (np.arange(200) >= 100).astype(float), pool.evaluated, pool.truth, 3)
    assert (is_right(doubted, np.arange(200), probe, False) == is_right(pool, np.arange(100, 200), probe, False)).all()
    features, labels = clouds(110, 2, np.repeat([0, 1], [100, 10]))
    noisy = np.where((np.arange(110) % 3 == 0)[:, None], features[:, ::-1], features)  # harder
    tail = JudgedPool(noisy.astype(np.float32), labels, np.ones(110), pool.evaluated, pool.truth, 3)
    rare = pool.truth == 1
    plain, weighted = (is_right(tail, np.arange(110), probe, each)[rare].mean() for each in (False, True))
    assert weighted >= plain


def test_wide_features_are_projected_with_their_cosines_kept() -> None:
    rng = np.random.default_rng(0)
    wide = (rng.standard_normal((60, 8)) @ rng.standard_normal((8, 300))).astype(np.float16)
    found = judge_features(wide, np.arange(60))
    unit = wide.astype(float) / np.linalg.norm(wide.astype(float), axis=1, keepdims=True)
    assert found.shape == (60, 256)
    assert found @ found.T == pytest.approx(unit @ unit.T, abs=1e-3)


def test_the_radius_is_that_of_brute_force() -> None:
    features, _ = clouds(1100, 5)
    rows, asked = np.arange(0, 1100, 9), np.arange(1100)
    distances = np.linalg.norm(features[:, None] - features[None, rows], axis=2).min(axis=1)
    found = coverage(features, rows, asked)
    assert found.radius == pytest.approx(distances.max(), abs=1e-3)
    assert found.radius_95 == pytest.approx(np.quantile(distances, 0.95), abs=1e-3)
    assert np.isnan(coverage(features, rows[:0], asked).radius)
