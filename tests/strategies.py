"""Random rows of declared tables, for hypothesis: derived from the declarations, like everything else about them."""

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from windrow.schemas import Column, Table

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def values(column: Column, dim: int) -> st.SearchStrategy[Any]:
    """Return values of a column; every vector has `dim` numbers."""
    strategy = _plain(column, column.type, dim)
    return st.none() | strategy if column.nullable else strategy


def _plain(column: Column, kind: pa.DataType, dim: int) -> st.SearchStrategy[Any]:
    if column.one_of:
        return st.sampled_from(column.one_of)
    if pa.types.is_map(kind):
        pair = st.tuples(_plain(column, kind.key_type, dim), _plain(column, kind.item_type, dim))
        return st.lists(pair, max_size=3, unique_by=lambda each: each[0])
    if pa.types.is_list(kind):
        size = dim if column.vector else 3
        return st.lists(_plain(column, kind.value_type, dim), min_size=size if column.vector else 0, max_size=size)
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries({field.name: _plain(column, field.type, dim) for field in kind})
    if pa.types.is_boolean(kind):
        return st.booleans()
    if pa.types.is_integer(kind):
        low = int(column.minimum) if column.minimum is not None else -(2**31)
        high = int(column.maximum) if column.maximum is not None else 2**31 - 1
        return st.integers(low, high)
    if pa.types.is_floating(kind):
        low = column.minimum if column.minimum is not None else -1024
        high = column.maximum if column.maximum is not None else 1024
        return st.floats(low, high, width=16)
    if pa.types.is_timestamp(kind):
        return st.integers(0, 2**50)
    return TEXT


def rows(table: Table, dim: int = 3, max_size: int = 6) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return lists of rows of a table, no two with one primary key."""
    row = st.fixed_dictionaries({column.name: values(column, dim) for column in table.columns})
    return st.lists(row, max_size=max_size, unique_by=lambda each: tuple(each[key] for key in table.primary_key))
