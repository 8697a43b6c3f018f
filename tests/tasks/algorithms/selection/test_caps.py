"""Caps on a column's values, against the plain walk down the ranking."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.selection.caps import within_caps


def test_the_first_of_each_value_stay_and_what_has_no_value_is_not_capped() -> None:
    place = np.array([4, 1, 3, 2, 5, 6])
    groups = np.array([[0], [0], [0], [1], [-1], [-1]])
    assert within_caps(place, groups, [2]).tolist() == [False, True, True, True, True, True]
    assert within_caps(place, groups, [1]).tolist() == [False, True, False, True, True, True]


def test_who_leaves_by_one_cap_takes_no_room_under_another() -> None:
    # The second is one too many of its source, so the third is the first of its uploader.
    groups = np.array([[0, 0], [0, 1], [1, 1]])
    assert within_caps(np.arange(1, 4), groups, [1, 1]).tolist() == [True, False, True]


@settings(deadline=None, max_examples=40)
@given(n=st.integers(0, 60), n_caps=st.integers(0, 3), seed=st.integers(0, 2**32))
def test_it_is_the_plain_walk_in_whatever_order_samples_come(n: int, n_caps: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    place, groups = rng.permutation(n) + 1, rng.integers(-1, 6, (n, n_caps))
    most = rng.integers(1, 5, n_caps).tolist()
    stays: list[int] = []
    for row in np.argsort(place):
        others = groups[stays]
        if all(g < 0 or (others[:, cap] == g).sum() < most[cap] for cap, g in enumerate(groups[row])):
            stays.append(int(row))
    found = within_caps(place, groups, most)
    assert np.flatnonzero(found).tolist() == sorted(stays)
    rows = rng.permutation(n)
    assert within_caps(place[rows], groups[rows], most).tolist() == found[rows].tolist()


def test_a_cap_of_none_and_groups_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"most: wants 1 or more, got \[0\]"):
        within_caps(np.array([1]), np.array([[0]]), [0])
    with pytest.raises(ValueError, match=r"groups: expected numbers >= -1 of shape \(2, 1\)"):
        within_caps(np.array([1, 2]), np.array([0, 0]), [1])
