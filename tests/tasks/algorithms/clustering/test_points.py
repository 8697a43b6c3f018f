from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.arrays import row_blocks
from windrow.tasks.algorithms.clustering.points import (
    BLOCK_VALUES,
    Resources,
    Taken,
    block_rows,
    check_at_least,
    check_points,
)


@settings(deadline=None)
@given(n=st.integers(0, 10**6), dim=st.integers(1, 10**5))
def test_blocks_follow_one_another_to_the_last_row_and_all_but_the_last_have_one_size(n: int, dim: int):
    slices = row_blocks(n, block_rows(dim))
    sizes = [rows.stop - rows.start for rows in slices]
    assert [rows.start for rows in slices] == [sum(sizes[:number]) for number in range(len(sizes))]
    assert sum(sizes) == n
    assert len(set(sizes[:-1])) <= 1
    assert all(1 <= size <= sizes[0] for size in sizes)


def test_a_block_has_as_many_rows_as_its_dimension_allows():
    assert block_rows(256) == BLOCK_VALUES // 256
    assert (block_rows(2), block_rows(10**6)) == (16384, 1024)
    assert row_blocks(3, block_rows(256)) == [slice(0, 3)]


def test_taken_rows_are_points_of_their_own():
    points = np.arange(12, dtype=np.float16).reshape(6, 2)
    taken = Taken(points, np.array([0, 3, 5]))
    assert (taken.shape, taken.dtype, len(taken)) == ((3, 2), np.float16, 3)
    assert taken[1:].tolist() == [[6, 7], [10, 11]]
    assert taken[np.array([2, 0])].tolist() == [[10, 11], [0, 1]]
    assert Taken(taken, np.array([1]))[:].tolist() == [[6, 7]]
    check_points(taken)


def test_threads_that_work_at_once_share_the_memory():
    resources = Resources(n_threads=4, memory=4000)
    one = resources.one_of_many()
    assert (one.n_threads, one.memory, one.scratch) == (1, 1000, resources.scratch)


@pytest.mark.parametrize("wrong", [np.zeros((3, 2)), np.zeros((3, 2), np.int32), np.zeros(3, np.float32)])
def test_points_of_another_type_or_shape_are_refused(wrong: np.ndarray):
    with pytest.raises(ValueError, match=r"points: expected float16 or float32 of shape \(n >= 1, d >= 1\), got"):
        check_points(wrong)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_no_points_and_points_of_no_dimension_are_refused(shape: tuple[int, int]):
    with pytest.raises(ValueError, match="points: expected"):
        check_points(np.zeros(shape, np.float32))


def test_a_number_below_the_least_is_named():
    check_at_least("n_iters", 0, 0)
    with pytest.raises(ValueError, match="n_iters: expected at least 0, got -1"):
        check_at_least("n_iters", -1, 0)
