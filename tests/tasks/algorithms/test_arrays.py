import numpy as np
import pytest

from windrow.tasks.algorithms.arrays import AT_ONCE, FEW_COLUMNS, as_embeddings, row_maxima, unit_rows


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


@pytest.mark.parametrize("d", [1, 3, 700])
def test_unit_rows_of_many_are_those_of_each_alone_and_what_comes_is_left_as_it_was(d: int) -> None:
    rows = np.random.default_rng(d).normal(size=(2 * AT_ONCE // d + 5 if d > 1 else 9, d)).astype(np.float32)
    rows[2] = 0
    before = rows.copy()
    units, norms = unit_rows(rows)
    assert rows.tobytes() == before.tobytes()
    for n in (0, 2, len(rows) // 2, len(rows) - 1):
        one, norm = unit_rows(rows[n : n + 1])
        assert (one.tobytes(), norm.tobytes()) == (units[n : n + 1].tobytes(), norms[n : n + 1].tobytes())
    wide = rows.astype(np.float64)
    unit_rows(wide)
    assert wide.tolist() == before.astype(np.float64).tolist()


@pytest.mark.parametrize("c", [1, 2, FEW_COLUMNS, FEW_COLUMNS + 1])
def test_row_maxima_are_those_of_numpy_for_few_columns_and_for_many(c: int) -> None:
    values = np.random.default_rng(c).normal(size=(50, c))
    values[7, c // 2] = np.inf
    assert row_maxima(values).tolist() == values.max(axis=1, keepdims=True).tolist()
