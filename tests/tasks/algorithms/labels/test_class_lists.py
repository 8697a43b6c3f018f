import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.class_lists import ClassLists


def test_lists_by_hand():
    members = np.array([[True, False, True], [False, False, False], [False, True, False]])
    lists = ClassLists.of([members[:1], members[1:]])
    assert [row.tolist() for row in (lists[0], lists[1], lists[2])] == [[0, 2], [], [1]]
    assert lists.offsets.tolist() == [0, 2, 2, 3] and lists.classes.tolist() == [0, 2, 1]
    assert lists.only().tolist() == [-1, -1, 1] and lists.sizes.tolist() == [2, 0, 1] and len(lists) == 3
    assert len(ClassLists.of([])) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 20), st.integers(1, 5), st.floats(0, 1))
def test_lists_are_the_members_they_were_made_of(seed, n, n_classes, share):
    rng = np.random.default_rng(seed)
    members = rng.random((n, n_classes)) < share
    lists = ClassLists.of([members])
    assert [lists[i].tolist() for i in range(n)] == [np.flatnonzero(row).tolist() for row in members]
    single = [row.tolist()[0] if len(row) == 1 else -1 for row in (lists[i] for i in range(n))]
    assert lists.only().tolist() == single


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="offsets must ascend from 0 to 1"):
        ClassLists(np.array([0, 2]), np.array([1]))
    lists = ClassLists(np.array([0, 1]), np.array([1]))
    with pytest.raises(IndexError, match="sample must be from 0 to 0, got -1"):
        lists[-1]
