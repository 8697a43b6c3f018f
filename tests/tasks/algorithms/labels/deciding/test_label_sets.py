"""Sets of classes: how often they hold the true one, and what is never in or out of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_pools import holds

from windrow.tasks.algorithms.labels.deciding.conformal import fit_conformal, label_sets
from windrow.tasks.algorithms.labels.deciding.label_sets import ConformalConfig, possible_classes

FEW = settings(max_examples=20, deadline=None)


def drawn(seed, n=600, n_labelled=150, n_classes=3):
    """Probabilities that are right as often as they say: held_out, labels, pool, truth."""
    rng = np.random.default_rng(seed)
    pool = rng.dirichlet(np.full(n_classes, 0.4), size=n).astype(np.float32)
    truth = (rng.random((n, 1)) > pool.cumsum(axis=1)).sum(axis=1).clip(max=n_classes - 1)
    labels = np.where(np.arange(n) < n_labelled, truth, -1)
    return pool[:n_labelled], labels, pool, truth


@pytest.mark.parametrize("score", ["lac", "aps"])
@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_sets_hold_the_true_class_as_often_as_promised_in_every_class(score, coverage):
    held = []
    for seed in range(20):
        held_out, labels, pool, truth = drawn(seed)
        found = possible_classes(held_out, labels, pool, ConformalConfig(coverage, score))
        rows = labels < 0
        held.append([holds(found, truth)[rows & (truth == label)].mean() for label in range(3)])
    assert (np.mean(held, axis=0) > coverage - 0.02).all()
    if score == "lac":  # aps, not randomised, covers more
        assert (np.mean(held, axis=0) < coverage + 0.1).all()


@FEW
@given(st.integers(0, 10_000), st.booleans(), st.integers(1, 3))
def test_a_set_is_the_rules_and_the_label_and_a_given_label_stands_alone(seed, by_class, most):
    held_out, labels, pool, _ = drawn(seed, 80, 40)
    predicted = np.random.default_rng(seed).integers(3, size=80)
    found = possible_classes(held_out, labels, pool, ConformalConfig(0.7, by_class=by_class, most=most), predicted)
    plain = label_sets(pool, fit_conformal(held_out, labels[:40], 1 - 0.7, "lac", by_class))
    for row in range(80):
        wanted = {labels[row]} if row < 40 else {predicted[row], *plain[row].tolist()}
        assert found[row].tolist() == (sorted(wanted) if len(wanted) <= most else [])


def test_too_few_labels_of_a_class_leave_it_in_every_set():
    pool = np.array([[0.99, 0.01], [0.01, 0.99], [0.8, 0.2]], np.float32)
    found = possible_classes(pool[:2], np.array([0, 1, -1]), pool, ConformalConfig(0.9))
    assert [found[row].tolist() for row in range(3)] == [[0], [1], [0, 1]]
    assert possible_classes(pool[:2], np.array([0, 1, -1]), pool, ConformalConfig(0.9, most=1))[2].tolist() == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ConformalConfig(1.0), "coverage: wants less than 1, got 1.0"),
        (lambda: ConformalConfig(score="x"), "score: wants one of 'lac', 'aps', got 'x'"),
        (lambda: ConformalConfig(failure_rate=0), "failure_rate: wants more than 0, got 0"),
        (lambda: ConformalConfig(most=0), "most: wants 1 or more, got 0"),
        (lambda: possible_classes(*drawn(0)[:2], drawn(0)[2][:5]), r"must have shape \(5,\)"),
    ],
)
def test_a_bad_call_names_the_field(call, message):
    with pytest.raises(ValueError, match=message):
        call()
