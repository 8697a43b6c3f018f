from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from windrow.tasks.algorithms.labels.combining.maker_weights import maker_weights

LABELS = np.array([0, 0, 0, 1, 1])
UNSURE = np.full((5, 2), 0.5, dtype=np.float32)


def says(*classes: int, sure: float = 0.8) -> np.ndarray:
    return np.where(np.eye(2)[list(classes)] == 1, sure, 1 - sure).astype(np.float32)


def noisy(seed: int, n_makers: int = 3, m: int = 60, n_classes: int = 4) -> tuple[list[np.ndarray], np.ndarray]:
    """Makers of different worth, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=m)
    scores = [rng.normal(size=(m, n_classes)) + k * np.eye(n_classes)[labels] for k in range(n_makers)]
    return [np.exp(log_softmax(each, axis=1)).astype(np.float32) for each in scores], labels


def test_four_labels_by_hand():
    """One maker is right with odds 3, the other says nothing: the loss is 4 log(1 + 3^-w) and the prior's pull."""
    labels = np.array([0, 0, 1, 1])
    right, unsure = says(0, 0, 1, 1, sure=0.75), UNSURE[:4]
    found = maker_weights([right, unsure], labels, deviation=0.5)
    # In steps of 1e-5, the zero of -4 log(3) / (1 + 3^w) + (w - 0.5) / 0.25; the second maker's power stays at 0.5.
    grid = np.arange(0.5, 3, 1e-5)
    power = grid[np.argmin(np.abs((grid - 0.5) / 0.25 - 4 * np.log(3) / (1 + 3**grid)))]
    np.testing.assert_allclose(found, np.array([power, 0.5]) / (power + 0.5), atol=1e-4)


def test_no_other_weights_of_the_same_sum_fit_better():
    held_out, labels = noisy(0)
    counts = np.bincount(labels)
    balance = 1 / counts[labels]
    balance *= balance.sum() / (balance**2).sum()
    logs = np.log(held_out)

    def cost(powers: np.ndarray) -> float:
        scores = log_softmax(np.tensordot(powers, logs, axes=1), axis=1)
        chosen = scores[np.arange(len(labels)), labels]
        return -float((balance * chosen).sum()) + float(((powers - 1 / 3) ** 2).sum()) / (2 * 0.3**2)

    weights = maker_weights(held_out, labels)
    best = min((cost(scale * weights), scale) for scale in np.arange(0.1, 4, 0.001))
    rng = np.random.default_rng(1)
    for _ in range(200):
        other = np.maximum(best[1] * weights + 0.05 * rng.normal(size=3), 0)
        assert cost(other) > best[0] - 1e-5


def test_a_maker_that_is_wrong_counts_for_nothing_once_labels_are_many():
    many = np.tile(LABELS, 40)
    weights = maker_weights([says(*many), says(*(1 - many))], many)
    np.testing.assert_allclose(weights, [1, 0], atol=1e-6)


def test_two_makers_that_are_wrong_apart_are_both_heard():
    """Of 1,200 labels one finds 70 %, one 65 %: weights that grow with m and accuracy would take the first."""
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 600)
    first, second = (np.where(rng.random(1200) < share, labels, 1 - labels) for share in (0.7, 0.65))
    weights = maker_weights([says(*first, sure=0.7), says(*second, sure=0.65)], labels)
    np.testing.assert_allclose(weights, [0.5, 0.5], atol=0.1)


def test_a_large_class_does_not_outvote_a_small_one():
    labels = np.array([0] * 90 + [1] * 10)
    large, small = says(*[0] * 100, sure=0.7), says(*[1] * 100, sure=0.7)
    np.testing.assert_allclose(maker_weights([large, small], labels), [0.5, 0.5], atol=1e-5)


@pytest.mark.parametrize("prior", [None, [2.0, 1.0], [0.0, 5.0]])
def test_without_evidence_the_prior_stands(prior):
    expected = [0.5, 0.5] if prior is None else np.array(prior) / sum(prior)
    single = maker_weights([says(0, 1), says(1, 0)], np.array([0, 1]), prior=prior)
    np.testing.assert_allclose(single, expected)
    held = maker_weights([says(*LABELS), says(*(1 - LABELS))], LABELS, deviation=1e-4, prior=prior)
    np.testing.assert_allclose(held, expected, atol=1e-5)
    np.testing.assert_allclose(maker_weights([UNSURE, UNSURE], LABELS, prior=prior), expected, atol=1e-6)


def test_where_every_maker_is_best_unheard_the_prior_stands():
    many = np.tile(LABELS, 200)
    wrong = says(*(1 - many))
    np.testing.assert_allclose(maker_weights([wrong, wrong], many, prior=[3, 1]), [0.75, 0.25])


def test_the_only_label_of_a_class_changes_nothing():
    held_out, labels = noisy(2)
    alone = [np.vstack([p, np.full((1, 4), 0.25, np.float32)]) for p in held_out]
    more = [np.hstack([np.maximum(p - 1e-9, 0), np.full((len(p), 1), 1e-9)]).astype(np.float32) for p in alone]
    wide = [p[:-1] for p in more]
    with_it = maker_weights(more, np.append(labels, 4))
    np.testing.assert_allclose(with_it, maker_weights(wide, labels), atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_labels_and_of_makers_does_not_matter(seed):
    held_out, labels = noisy(seed)
    weights = maker_weights(held_out, labels)
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()
    order = np.random.default_rng(seed).permutation(len(labels))
    np.testing.assert_allclose(maker_weights([p[order] for p in held_out], labels[order]), weights, atol=1e-5)
    np.testing.assert_allclose(maker_weights(held_out[::-1], labels)[::-1], weights, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: maker_weights([], LABELS), "held_out must be one or more"),
        (lambda: maker_weights([says(0)], LABELS), "held_out must be one or more"),
        (lambda: maker_weights([says(*LABELS)], np.array([0, 0, 0, 1, -1])), "labels must have no -1"),
        (lambda: maker_weights([says(*LABELS)], LABELS, deviation=0), "deviation must be positive, got 0"),
        (lambda: maker_weights([says(*LABELS)], LABELS, prior=[1, 1]), "prior must be 1 numbers from 0"),
        (lambda: maker_weights([says(*LABELS)], LABELS, prior=[0]), "prior must be 1 numbers from 0"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
