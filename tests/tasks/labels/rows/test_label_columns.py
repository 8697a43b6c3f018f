"""Lists of classes as a column."""

import numpy as np
import pyarrow as pa
import pytest

from windrow.tasks.algorithms.labels.class_lists import ClassLists
from windrow.tasks.labels.rows.label_columns import class_list_column

LISTS = ClassLists(np.array([0, 2, 2, 3]), np.array([0, 2, 1]))


def test_a_column_names_the_classes_of_each_sample() -> None:
    column = class_list_column(LISTS, ["cat", "dog", "owl"])
    assert column.type == pa.list_(pa.string()) and column.null_count == 0
    assert column.to_pylist() == [["cat", "owl"], [], ["dog"]]
    nullable = class_list_column(LISTS, ["cat", "dog", "owl"], empty_is_null=True)
    nullable.validate(full=True)
    assert nullable.to_pylist() == [["cat", "owl"], None, ["dog"]]


def test_a_column_of_nothing_is_empty() -> None:
    none = ClassLists(np.zeros(1, np.int64), np.empty(0, np.int64))
    assert class_list_column(none, [], empty_is_null=True).to_pylist() == []


def test_a_class_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="classes from 0 to 1, got 2"):
        class_list_column(LISTS, ["cat", "dog"])
