from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.selection.balance import effective_number, normalised_entropy


def test_equal_classes_are_perfectly_balanced():
    assert normalised_entropy([5, 5, 5, 5]) == pytest.approx(1)
    assert effective_number([5, 5, 5, 5]) == pytest.approx(4)


def test_one_class_that_has_everything_is_the_other_extreme():
    assert normalised_entropy([9, 0, 0, 0]) == 0
    assert effective_number([9, 0, 0, 0]) == 1


def test_three_to_one():
    entropy = 2 * math.log(2) - 0.75 * math.log(3)
    assert normalised_entropy([3, 1]) == pytest.approx(entropy / math.log(2))
    assert effective_number([3, 1]) == pytest.approx(math.exp(entropy))


def test_a_single_class_is_even():
    assert (normalised_entropy([7]), effective_number([7])) == (1, 1)


def test_nothing_counted_has_no_balance():
    for counts in ([0], [0, 0, 0]):
        assert all(math.isnan(measure(counts)) for measure in (normalised_entropy, effective_number))


@settings(deadline=None, max_examples=60)
@given(counts=st.lists(st.integers(0, 1000), min_size=1, max_size=20).filter(any), scale=st.integers(1, 50))
def test_measures_agree_with_their_definitions_and_ignore_order_and_scale(counts: list[int], scale: int):
    assert 1 - 1e-12 <= effective_number(counts) <= len(counts) + 1e-9
    if len(counts) > 1:
        assert len(counts) ** normalised_entropy(counts) == pytest.approx(effective_number(counts))
    for measure in (normalised_entropy, effective_number):
        assert measure([scale * count for count in counts[::-1]]) == pytest.approx(measure(counts), abs=1e-12)


@pytest.mark.parametrize("counts", [[], [1, -1], [[1, 2]], [float("nan"), 1]])
def test_what_are_not_counts_is_refused(counts):
    for measure in (normalised_entropy, effective_number):
        with pytest.raises(ValueError, match="counts: expected one number >= 0 a class"):
            measure(counts)
