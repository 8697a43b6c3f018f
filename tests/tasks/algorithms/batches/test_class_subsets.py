"""Subsets by class: nested fractions and long tails."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow.tasks.algorithms.batches.class_subsets import fraction_of_classes, long_tail_counts, long_tail_of_classes

labels = st.lists(st.integers(0, 5), min_size=1, max_size=200).map(lambda values: np.array(values, np.int64))
fractions = st.floats(0.005, 1)


@given(labels, fractions, fractions)
def test_fractions_are_nested_and_hold_each_class(values: np.ndarray, a: float, b: float) -> None:
    small, large = (fraction_of_classes(values, each) for each in sorted((a, b)))
    assert not (small & ~large).any()
    for name in np.unique(values):
        n = int((values == name).sum())
        assert 1 <= small[values == name].sum() < n * min(a, b) + 1
        assert small[values == name][: small[values == name].sum()].all()


def test_one_two_five_and_ten_percent_of_a_thousand() -> None:
    values = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 1000))
    sets = [fraction_of_classes(values, fraction) for fraction in (0.01, 0.02, 0.05, 0.1, 1.0)]
    assert [int(each.sum()) for each in sets] == [100, 200, 500, 1000, 10_000]
    assert all((np.bincount(values[each]) == each.sum() // 10).all() for each in sets)
    assert all((a <= b).all() for a, b in itertools.pairwise(sets))


def test_the_tails_of_the_literature() -> None:
    counts = long_tail_counts(np.full(10, 5000), 100)
    assert counts.tolist() == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]  # CIFAR-10-LT
    assert long_tail_counts(np.full(3, 100), 10).tolist() == [100, 31, 10]
    assert long_tail_counts(np.array([10, 100, 50]), 4).tolist() == [10, 40, 20]
    assert long_tail_counts(np.array([7]), 100).tolist() == [7]


@given(labels, st.floats(1, 200))
def test_a_tail_has_no_more_than_there_is_and_each_class(values: np.ndarray, ratio: float) -> None:
    kept = long_tail_of_classes(values, ratio)
    counts = np.array([kept[values == name].sum() for name in np.unique(values)])
    assert counts.min() >= 1 and counts.max() <= max(1, counts.min()) * ratio * 2 + 1


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="label_fraction: wants above 0 and at most 1, got 0"):
        fraction_of_classes(np.zeros(3, np.int64), 0)
    with pytest.raises(ValueError, match="long_tail: wants a ratio of 1 or more"):
        long_tail_counts(np.array([3, 4]), 0.5)
