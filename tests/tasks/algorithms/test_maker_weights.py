from __future__ import annotations

import numpy as np
import pytest

from windrow.tasks.algorithms.maker_weights import class_balanced_accuracy, maker_weights

LABELS = np.array([0, 0, 0, 1, 1])


def says(*classes: int) -> np.ndarray:
    return np.eye(2, dtype=np.float32)[list(classes)]


def test_every_class_counts_alike():
    assert class_balanced_accuracy(says(0, 0, 0, 0, 1), LABELS) == pytest.approx(0.75)
    assert class_balanced_accuracy(says(0, 0, 1, 1, 1), LABELS) == pytest.approx((2 / 3 + 1) / 2)


def test_a_class_with_one_label_says_nothing():
    assert class_balanced_accuracy(says(0, 0, 0), np.array([0, 0, 1])) == 1.0
    assert np.isnan(class_balanced_accuracy(says(0, 1), np.array([0, 1])))


def test_weights_follow_the_accuracy_and_the_number_of_labels():
    weights = maker_weights([says(*LABELS), says(1, 1, 1, 1, 1)], LABELS, rate=2.0)
    np.testing.assert_allclose(weights, np.array([1, np.exp(-5)]) / (1 + np.exp(-5)))
    many = maker_weights([np.tile(says(*LABELS), (90, 1)), np.tile(says(1, 1, 1, 1, 1), (90, 1))], np.tile(LABELS, 90))
    np.testing.assert_allclose(many, [1, 0], atol=1e-6)


def test_without_evidence_all_count_alike():
    np.testing.assert_array_equal(maker_weights([says(*LABELS), says(1, 1, 1, 1, 1)], LABELS, rate=0), [0.5, 0.5])
    np.testing.assert_array_equal(maker_weights([says(0, 1), says(1, 0)], np.array([0, 1])), [0.5, 0.5])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: maker_weights([], LABELS), "held_out must be one or more"),
        (lambda: maker_weights([says(0)], LABELS), "held_out must be one or more"),
        (lambda: maker_weights([says(*LABELS)], np.array([0, 0, 0, 1, -1])), "labels must have no -1"),
        (lambda: maker_weights([says(*LABELS)], LABELS, rate=-1), "rate must be from 0, got -1"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
