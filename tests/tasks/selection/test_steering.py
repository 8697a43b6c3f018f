"""Hands overrule filters and duplicates, and nothing else of a ranking."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from windrow.schemas import CORRECTIONS
from windrow.tasks.algorithms.neighbors.deduplication import near_duplicates
from windrow.tasks.selection.selection_config import BY_HAND, HELD_OUT
from windrow.tasks.selection.steering import Steering, kept_first, steering


@given(st.permutations(range(12)), st.lists(st.booleans(), min_size=12, max_size=12), st.integers(0, 12))
def test_what_is_to_be_kept_comes_first_and_the_order_stays(order: list[int], keep: list[bool], n_out: int) -> None:
    before = np.array([place + 1 if place < 12 - n_out else 0 for place in order])
    flags = np.array(keep)
    after = kept_first(before, flags)
    assert sorted(after[after > 0]) == list(range(1, (after > 0).sum() + 1))
    assert (after[flags] > 0).all() and (after[~flags & (before == 0)] == 0).all()
    assert after[flags].max(initial=0) == flags.sum()
    for group in (flags & (before > 0), ~flags & (before > 0)):
        assert (np.argsort(after[group]) == np.argsort(before[group])).all()


def test_hands_overrule_filters_but_not_what_is_held_out() -> None:
    steered = Steering(np.array([1, 0, 1, 0, 1, 0], bool), np.array([0, 1, 0, 1, 0, 0], bool), np.empty((0, 2), int))
    broken = ["grey", "grey", HELD_OUT, HELD_OUT, None, "grey"]
    assert steered.applied(broken, HELD_OUT) == [None, BY_HAND, HELD_OUT, HELD_OUT, None, "grey"]


def test_of_samples_of_other_pools_nothing_is_wanted() -> None:
    ids = [letter * 32 for letter in "abz"]
    rows = [
        {"number": 0, "sample_id": ids[0], "kind": "keep", "who": "x"},
        {"number": 1, "sample_id": ids[2], "kind": "drop", "who": "x"},
        {"number": 2, "sample_id": ids[0], "kind": "not_a_duplicate", "other_sample_id": ids[1], "who": "x"},
        {"number": 3, "sample_id": ids[0], "kind": "not_a_duplicate", "other_sample_id": ids[2], "who": "x"},
    ]
    found = steering(pa.Table.from_pylist(rows, CORRECTIONS.schema()), pa.array([ids[1], ids[0]]))
    assert (found.keep.tolist(), found.drop.tolist(), found.apart.tolist()) == ([False, True], [False] * 2, [[1, 0]])


@given(st.integers(0, 2**31), st.integers(0, 30))
def test_pairs_that_are_apart_drop_each_other_no_more_and_all_else_is_as_before(seed: int, n_apart: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((40, 3))
    pairs = rng.integers(0, 40, (n_apart, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    found = near_duplicates(x, 0.9, apart=pairs, block=7)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    near = unit @ unit.T >= 0.9
    near[pairs[:, 0], pairs[:, 1]] = near[pairs[:, 1], pairs[:, 0]] = False
    kept: list[int] = []
    for row in range(40):
        first = next((other for other in kept if near[row, other]), -1)
        assert found.duplicate_of[row] == first
        if first < 0:
            kept.append(row)
