import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from windrow.tasks.executors.shared_file import read_shared, write_shared

ANY_ARRAY = arrays.arrays(
    st.sampled_from(["f4", "f8", "i8", "u1", "?"]), arrays.array_shapes(min_dims=0, max_dims=3, min_side=0)
)


@settings(max_examples=40, deadline=None)
@given(value=st.lists(ANY_ARRAY | st.text() | st.none(), max_size=4), transposed=ANY_ARRAY)
def test_a_value_comes_back_as_it_was(tmp_path_factory, value, transposed):
    path = tmp_path_factory.mktemp("shared") / "value"
    *back, last = read_shared(write_shared([*value, transposed.T], path))
    np.testing.assert_array_equal(last, transposed.T)
    assert len(back) == len(value)
    for found, wanted in zip(back, value, strict=True):
        np.testing.assert_array_equal(found, wanted)
        assert getattr(found, "dtype", None) == getattr(wanted, "dtype", None)


def test_arrays_come_back_aligned_and_read_only_and_outlive_the_file(tmp_path):
    path = tmp_path / "value"
    first, second = read_shared(write_shared((np.arange(3, dtype="u1"), np.arange(5.0)), path))
    path.unlink()
    assert first.ctypes.data % 64 == second.ctypes.data % 64 == 0
    with pytest.raises(ValueError, match="read-only"):
        second[0] = 1
    np.testing.assert_array_equal(second, np.arange(5.0))
