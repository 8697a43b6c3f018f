import numpy as np
import pytest

from windrow.tasks.algorithms.labels.combining.calibration import apply_temperature
from windrow.tasks.algorithms.labels.combining.expected_temperature import (
    FURTHEST,
    LEFT,
    expected_accuracy,
    expected_temperature,
)
from windrow.tasks.algorithms.labels.combining.vector_scaling import apply_vector_scaling, fit_vector_scaling


def said(n=400, each=4, sharpness=1.0, seed=0):
    """Held-out probabilities of 3 * each labels, labels of a pool of n, and its probabilities."""
    rng = np.random.default_rng(seed)
    labels = np.full(n, -1, np.int64)
    labels[: 3 * each] = np.arange(3 * each) % 3
    scores = sharpness * rng.standard_normal((n, 3))
    scores[labels >= 0, labels[labels >= 0]] += sharpness
    pool = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).astype(np.float32)
    return pool[labels >= 0], labels, pool


def test_what_half_of_the_labels_leave_wrong_all_of_them_leave_a_part_of():
    assert expected_accuracy([0.6, 0.2], [1, 1], 40) == pytest.approx(1 - LEFT * 0.6)
    assert expected_accuracy([0.6, 0.2], [3, 1], 40) == pytest.approx(1 - LEFT * 0.5)


def test_makers_that_always_agree_are_no_surer_than_their_labels_are_many():
    assert expected_accuracy([1.0], [1], 8) == pytest.approx(0.9)


def test_without_an_answer_of_each_maker_nothing_is_expected():
    assert expected_accuracy([0.9, None], [1, 1], 40) is None


@pytest.mark.parametrize("accuracy", [0.5, 0.6, 0.75])
def test_the_pool_is_as_sure_as_it_should_be_right(accuracy):
    held_out, labels, pool = said()
    found = expected_temperature(held_out, labels, pool, accuracy)
    even = apply_vector_scaling(pool[labels < 0], fit_vector_scaling(held_out, labels[labels >= 0]))
    assert apply_temperature(even, found).max(axis=1).mean() == pytest.approx(accuracy, abs=1e-3)


def test_no_agreement_asks_for_more_than_it_can_speak_for():
    held_out, labels, pool = said()
    assert expected_temperature(held_out, labels, pool, 1.0) == pytest.approx(np.exp(-FURTHEST), rel=1e-3)
    assert expected_temperature(held_out, labels, pool, 0.0) == pytest.approx(np.exp(FURTHEST), rel=1e-3)
