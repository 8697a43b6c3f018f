"""Probes of states learn each class from what is known of it, and of nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from windrow.tasks.algorithms.labels.states.known_states import KnownStates
from windrow.tasks.algorithms.worth.set_probe import JudgedPool, is_right
from windrow.tasks.algorithms.worth.set_quality import qualities


def world(n: int, n_classes: int, seed: int, rate: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows (n, 16), and which classes (n, c) each is of: each class has a direction of its own."""
    rng = np.random.default_rng(seed)
    present = rng.random((n, n_classes)) < rate
    directions = np.linalg.qr(np.random.default_rng(99).standard_normal((16, 16)))[0][:n_classes]
    rows = present @ directions * 2 + 0.7 * rng.standard_normal((n, 16)) + 1
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), present


def pool_of(known: np.ndarray, n_classes: int = 3) -> JudgedPool:
    """Known states (300, c) of 300 samples, judged by all states of 200 others."""
    features, _ = world(300, n_classes, 0)
    evaluated, present = world(200, n_classes, 1)
    sample, number = (each.ravel() for each in np.mgrid[:200, :n_classes])
    truth = 2 * number + present[sample, number]
    nothing = np.full(300, -1), np.zeros(300)
    return JudgedPool(features, *nothing, evaluated, truth, n_classes, KnownStates.of_matrix(known), sample)


def quality(pool: JudgedPool, rows: np.ndarray) -> float:
    right = is_right(pool, rows, "logistic", True)
    return float(qualities(right[None], pool.truth, np.ones((1, len(pool.truth))))[0, 0])


@pytest.fixture
def known() -> np.ndarray:
    """All states of the 300 samples, 1 or 0."""
    return world(300, 3, 0)[1].astype(np.int8)


def test_more_samples_teach_more_and_what_is_unknown_teaches_nothing(known: np.ndarray) -> None:
    pool = pool_of(known)
    assert quality(pool, np.arange(300)) > 0.8
    assert quality(pool, np.arange(300)) > quality(pool, np.arange(12)) + 0.03
    nobody = pool_of(np.full_like(known, -1))
    assert quality(nobody, np.arange(300)) == 0.5  # absence everywhere
    half = known.copy()
    half[150:] = -1
    np.testing.assert_array_equal(
        is_right(pool_of(half), np.arange(300), "logistic", True), is_right(pool, np.arange(150), "logistic", True)
    )


def test_each_class_is_learnt_as_if_there_were_no_other_and_unknown_samples_were_not_there(known: np.ndarray) -> None:
    hidden = np.where(np.random.default_rng(2).random(known.shape) < 0.6, -1, known)
    pool = pool_of(hidden)
    right = is_right(pool, np.arange(300), "logistic", True)
    for number in range(3):
        alone = np.full_like(known, -1)
        alone[:, number] = hidden[:, number]
        rows = np.flatnonzero(hidden[:, number] >= 0)
        of_class = pool.truth // 2 == number
        found = is_right(pool_of(alone), rows, "logistic", True)
        assert np.mean(found[of_class] == right[of_class]) > 0.99
    as_absent = np.where(hidden == -1, 0, hidden)
    assert np.mean(is_right(pool_of(as_absent), np.arange(300), "logistic", True) == right) < 0.97


def test_more_presences_alone_make_no_set_better() -> None:
    """Two sets as large, one with a rate of presence that is five times the other's: the line is drawn alike."""
    shares = []
    for rate in (0.1, 0.5):
        features, present = world(2000, 1, 7, rate)
        pool = pool_of(np.zeros((300, 1), np.int8), 1)
        states = KnownStates.of_matrix(present.astype(np.int8))
        nothing = np.full(2000, -1), np.zeros(2000)
        judged = JudgedPool(features, *nothing, pool.evaluated, pool.truth, 1, states, pool.sample)
        right = is_right(judged, np.arange(2000), "logistic", True)
        shares.append([right[judged.truth == state].mean() for state in (0, 1)])
    np.testing.assert_allclose(shares[0], shares[1], atol=0.08)


def test_of_a_class_whose_states_are_all_alike_that_is_the_answer(known: np.ndarray) -> None:
    known[:, 0], known[:, 1] = 1, -1
    pool = pool_of(known)
    right = is_right(pool, np.arange(300), "logistic", True)
    assert right[pool.truth == 1].all() and not right[pool.truth == 0].any()
    assert right[pool.truth == 2].all() and not right[pool.truth == 3].any()


def test_classes_beyond_a_block_are_judged_as_those_of_one(known: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(known)
    at_once = is_right(pool, np.arange(300), "logistic", True)
    monkeypatch.setattr("windrow.tasks.algorithms.worth.state_probe.CLASSES_AT_ONCE", 2)
    np.testing.assert_array_equal(is_right(pool, np.arange(300), "logistic", True), at_once)


def test_fewer_judges_leave_their_states() -> None:
    pool = pool_of(world(300, 3, 0)[1].astype(np.int8))
    judges = np.arange(200) % 3 == 0
    fewer = pool.only(judges)
    assert fewer.sample is not None
    np.testing.assert_array_equal(fewer.truth, pool.truth[judges[pool.asked]])
    np.testing.assert_array_equal(fewer.evaluated[fewer.sample], pool.evaluated[pool.asked[judges[pool.asked]]])


def test_neighbours_which_may_know_nothing_of_a_class_judge_no_states(known: np.ndarray) -> None:
    with pytest.raises(ValueError, match="probe: states are judged by 'logistic' alone, got 'knn'"):
        is_right(pool_of(known), np.arange(300), "knn", True)
