from typing import Any

import numpy as np
import pytest

from windrow.tasks.algorithms.labels.named_classes import name_classes


@pytest.mark.parametrize(
    ("labels", "classes", "found"),
    [
        (["dog", None, "cat", "", "dog"], ["cat", "dog"], [1, -1, 0, -1, 1]),
        (np.array(["b", "", "a"]), ["a", "b"], [1, -1, 0]),
        ([7, -1, 3, 7], [3, 7], [1, -1, 0, 1]),
        (np.array([7, -1, 3]), [3, 7], [1, -1, 0]),
        ([1.0, float("nan"), 0.0], [0.0, 1.0], [1, -1, 0]),
        (np.array([2, None, np.int64(5)], dtype=object), [2, 5], [0, -1, 1]),
        ([True, False, None], [False, True], [1, 0, -1]),
    ],
)
def test_labels_are_places_among_the_sorted_classes(labels: Any, classes: list[Any], found: list[int]) -> None:
    named = name_classes(labels, len(labels))
    assert (named.classes.tolist(), named.labels.tolist(), named.labels.dtype) == (classes, found, np.int64)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b"], r"labels: expected one for each of 3 samples, got shape \(2,\)"),
        ([["a"], ["b"], ["c"]], r"got shape \(3, 1\)"),
        (["a", 1, None], r"labels: expected all strings or all numbers, got \['a', 1\]"),
        (["a", "a", None], r"labels: expected two classes or more, got \['a'\]"),
        ([None, "", -1], r"labels: expected two classes or more, got \[\]"),
        (["a", b"b", None], r"labels: expected strings or numbers, got b'b'"),
    ],
)
def test_what_are_no_labels_is_refused(labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        name_classes(labels, 3)
