import numpy as np
import pytest

from windrow.tasks.algorithms.arrays import as_embeddings


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_what_is_used_as_it_is_is_not_copied(dtype: type) -> None:
    rows = np.ones((3, 2), dtype)
    assert as_embeddings(rows) is rows
    assert np.shares_memory(as_embeddings(rows[:, ::-1]), rows)


@pytest.mark.parametrize("rows", [[[1, 2], [3, 4]], np.array([[1.0, 2.0], [3.0, 4.0]]), ((True, 2), (3, 4))])
def test_other_numbers_become_float32(rows: object) -> None:
    found = as_embeddings(rows)
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 2], [3]], r"points: expected numbers of shape \(n, d\): .*inhomogeneous"),
        ([["a"]], r"points: expected numbers of shape \(n, d\), got <U1 \(1, 1\)"),
        ([1, 2], r"points: expected numbers of shape \(n, d\), got int64 \(2,\)"),
        (None, r"points: expected numbers of shape \(n, d\), got object \(\)"),
    ],
)
def test_what_are_no_rows_of_numbers_is_refused(rows: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_embeddings(rows, "points")


def test_a_number_too_large_for_float32_becomes_infinite_and_is_for_others_to_refuse() -> None:
    assert np.isinf(as_embeddings([[1e300]])).all()
