"""States of several classes a sample: what is unknown is masked, what is said keeps its promise or is not said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from windrow.tasks.algorithms.labels.states.known_states import ABSENT, PRESENT, UNKNOWN, KnownStates
from windrow.tasks.algorithms.labels.states.one_vs_rest import fit_one_vs_rest
from windrow.tasks.algorithms.labels.states.platt_scaling import fit_platt
from windrow.tasks.algorithms.labels.states.promised_thresholds import (
    least_needed,
    promised_thresholds,
    surest_that_hold,
)
from windrow.tasks.algorithms.labels.states.state_rule import StateRule
from windrow.tasks.algorithms.labels.states.state_spreading import spread_states

N, D = 600, 8


def cloud(seed: int, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, D), and of three classes which each has: a coordinate is large or small, with some overlap."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 3)) < [0.5, 0.3, 0.1]
    points = rng.standard_normal((n, D)) * 0.5
    points[:, :3] += np.where(truth, 2.0, -2.0)
    return points.astype(np.float32), truth


def known_of(truth: np.ndarray, n_known: int) -> np.ndarray:
    states = np.full(truth.shape, UNKNOWN)
    states[:n_known] = truth[:n_known]
    return states


def test_a_vocabulary_makes_absent_what_is_not_listed_and_nothing_else() -> None:
    looked_for = np.array([[True, True, False]])
    rows, classes, states = np.array([0, 1]), np.array([0, 1]), np.array([PRESENT, UNKNOWN], np.int8)
    known = KnownStates(rows, classes, states, np.array([0, 0, -1]), looked_for)
    assert known.of_classes([0, 1, 2]).tolist() == [
        [PRESENT, ABSENT, UNKNOWN],
        [ABSENT, UNKNOWN, UNKNOWN],  # said to be unknown, though it was looked for
        [UNKNOWN, UNKNOWN, UNKNOWN],
    ]
    assert [counts.tolist() for counts in known.n_known()] == [[1, 0, 0], [1, 1, 0]]
    assert known.rarest_present().tolist() == [0, -1, -1]


def test_of_several_present_classes_the_one_that_the_fewest_have_is_the_rarest() -> None:
    states = np.array([[1, 1, -1], [1, -1, -1], [1, 0, 1], [-1, -1, -1]])
    assert KnownStates.of_matrix(states).rarest_present().tolist() == [1, 0, 2, -1]


def test_each_class_learns_from_its_own_known_samples_as_scikit_learn_would() -> None:
    points, truth = cloud(0, 120)
    weights = (np.random.default_rng(1).random(truth.shape) < 0.6).astype(np.float32)
    fitted = fit_one_vs_rest(points, np.arange(120), np.where(weights > 0, truth, True), weights, penalty=0.5)
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    for label in range(3):
        seen = weights[:, label] > 0
        twin = LogisticRegression(C=2, tol=1e-10, max_iter=5000).fit(units[seen], truth[seen, label])
        np.testing.assert_allclose(fitted.predict_proba(points)[:, label], twin.predict_proba(units)[:, 1], atol=2e-4)


def test_given_states_stand_and_what_is_said_of_the_others_is_mostly_right() -> None:
    points, truth = cloud(3)
    states = known_of(truth, 300)
    for found in spread_states(points, KnownStates.of_matrix(states), StateRule()):
        assert (found.state[:300] == states[:300, found.number]).all()
        said, there = found.state[300:], truth[300:, found.number]
        assert there[said == PRESENT].mean() > 0.9
        assert (~there[said == ABSENT]).mean() > 0.9
        assert (said[there] == ABSENT).mean() < 0.1


def test_a_class_of_which_no_absence_is_known_gets_probabilities_and_no_state() -> None:
    points, truth = cloud(4)
    states = np.full(truth.shape, UNKNOWN)
    states[:200][truth[:200]] = PRESENT
    first = next(spread_states(points, KnownStates.of_matrix(states), StateRule()))
    assert first.method == "positive-unlabelled"
    assert (first.state[200:] == UNKNOWN).all()
    assert "no absence is known" in (first.why or "")
    rest, there = first.probability[200:], truth[200:, 0]
    assert rest[there].min() > np.median(rest[~there])
    assert abs(rest.mean() - there.mean()) < 0.1  # by Elkan and Noto the probabilities are of presence, not of labels
    asked = next(spread_states(points, KnownStates.of_matrix(states), StateRule(positive_only="elkan-noto")))
    assert there[asked.state[200:] == PRESENT].mean() > 0.9
    assert asked.why is None


def test_too_few_known_states_promise_nothing_and_the_reason_has_the_numbers() -> None:
    points, truth = cloud(5)
    states = known_of(truth, 30)
    *_, last = spread_states(points, KnownStates.of_matrix(states), StateRule())
    assert (last.state[30:] == UNKNOWN).all()
    assert f"{truth[:30, 2].sum()} present are known, and {least_needed(0.9, 0.1)} are the least" in (last.why or "")


def test_a_class_of_which_nothing_is_known_has_no_probability() -> None:
    points, _ = cloud(6, 50)
    states = np.full((50, 1), UNKNOWN)
    (found,) = spread_states(points, KnownStates.of_matrix(states), StateRule())
    assert found.method == "none"
    assert np.isnan(found.probability).all()


def test_twenty_two_surest_without_a_mistake_hold_nine_in_ten_at_one_in_ten() -> None:
    """0.9 to the 22nd is 0.098, to the 21st 0.109."""
    assert least_needed(0.9, 0.1) == 22
    scores = np.linspace(1, 0.5, 22, dtype=np.float32)
    assert surest_that_hold(scores, np.ones(22, np.bool_), 0.9, 0.1) == pytest.approx(0.5)
    assert surest_that_hold(scores[:21], np.ones(21, np.bool_), 0.9, 0.1) is None
    assert surest_that_hold(scores, np.arange(22) != 3, 0.9, 0.1) is None


def test_promises_are_broken_in_no_more_draws_than_allowed() -> None:
    rng = np.random.default_rng(0)
    broken = n = 0
    for _ in range(200):
        true = rng.random(4000).astype(np.float32)
        present = rng.random(4000) < true
        found = promised_thresholds(true[:400], present[:400], 0.9, 0.1)
        if found.present is not None:
            n += 1
            broken += present[400:][true[400:] >= found.present].mean() < 0.9
    assert n > 50
    assert broken <= 0.1 * 200


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 80))
def test_scaling_keeps_the_order_and_thresholds_never_overlap(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    held_out, present = rng.random(m, np.float32), np.arange(m) % 2 == 0
    scaled = fit_platt(held_out, present).apply(held_out)
    order = np.argsort(held_out)
    assert (np.diff(scaled[order]) >= 0).all()
    found = promised_thresholds(scaled, present, 0.6, 0.3)
    if found.present is not None and found.absent is not None:
        assert found.absent < 0.5 <= found.present
