"""A table, declared once: its Parquet schema, validation, SQL view, reference and random test rows derive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SCHEMA_VERSION = 1
MOST_ORDERED = 3  # columns of a key that are tried in every order
MOST_RUNS = 4096  # of one value each, that need not come in the order of these
PART = 2**16  # rows: their texts, and the names of 64 classes each, end within 32 bits


@dataclass(frozen=True)
class Column:
    """One column of a `Table`.

    A `vector` column is a list whose length is one number for a whole file (the dimension of a backbone), so its
    Parquet type is a fixed-size list: see `Table.schema`. `one_of`, `minimum` and `maximum` bound non-null values.
    `references` is a foreign key: table and column of the same run in which every non-null value of this one is.
    """

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = False
    vector: bool = False
    one_of: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    references: tuple[str, str] | None = None

    def field(self, dim: int | None) -> pa.Field:
        fixed = pa.list_(self.type.value_type, dim) if self.vector and dim is not None else self.type
        return pa.field(self.name, fixed, nullable=self.nullable, metadata={"meaning": self.meaning})


@dataclass(frozen=True)
class Table:
    """A declared table. `primary_key` columns together are unique and never null."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        unknown = set(self.primary_key) - set(names)
        if len(set(names)) != len(names) or unknown:
            raise ValueError(f"table {self.name}: repeated column, or primary key not among the columns: {unknown}")

    def schema(self, dim: int | None = None) -> pa.Schema:
        """Return the Arrow schema; `dim` is the length of the vector columns (lists of any length without it)."""
        metadata = {"windrow.table": self.name, "windrow.schema_version": str(SCHEMA_VERSION)}
        return pa.schema([column.field(dim) for column in self.columns], metadata=metadata)

    def column(self, name: str) -> Column:
        """Return a column by its name."""
        return next(column for column in self.columns if column.name == name)

    def build(self, columns: Mapping[str, Iterable[Any] | pa.Array], dim: int | None = None) -> pa.Table:
        """Make a validated table from columns by name; a nullable column may be left out.

        A pa.Scalar stands for a column that is the same in every row; the first column is none.
        Raises ValueError naming the table, the column and what came.
        """
        unknown = sorted(set(columns) - {column.name for column in self.columns})
        if unknown:
            raise ValueError(f"table {self.name} has no column {unknown[0]!r}")
        n_rows = len(next(iter(columns.values()))) if columns else 0  # type: ignore[arg-type]
        schema = self.schema(dim)
        arrays = [self._array(field, columns, n_rows) for field in schema]
        return self.validate(pa.Table.from_arrays(arrays, schema=schema))

    def _array(self, field: pa.Field, columns: Mapping[str, Any], n_rows: int) -> pa.Array | pa.ChunkedArray:
        if field.name not in columns:
            if not field.nullable:
                raise ValueError(f"table {self.name}: column {field.name!r} is missing")
            return pa.nulls(n_rows, field.type)
        values = columns[field.name]
        try:
            if isinstance(values, pa.Scalar):
                sizes = (min(PART, n_rows - at) for at in range(0, n_rows, PART))
                return pa.chunked_array([pa.repeat(values.cast(field.type), size) for size in sizes], field.type)
            if isinstance(values, pa.Array | pa.ChunkedArray):
                chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
                return pa.chunked_array([part for each in chunks for part in _parts(each, field.type)], field.type)
            return pa.array(values, field.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise ValueError(f"table {self.name}, column {field.name!r}: wants {field.type}, got {error}") from None

    def validate(self, table: pa.Table) -> pa.Table:
        """Return `table` unchanged when it fits the declaration; raise ValueError naming what does not."""
        for column in self.columns:
            if column.name not in table.column_names:
                raise ValueError(f"table {self.name}: column {column.name!r} is missing")
            self._validate_column(column, table)
        if table.num_rows and self.primary_key:
            keys = table.select(list(self.primary_key))
            if not _in_some_order(keys) and (repeated := _n_repeated(keys)):
                raise ValueError(f"table {self.name}: primary key {self.primary_key} repeats {repeated} times")
        return table

    def _validate_column(self, column: Column, table: pa.Table) -> None:
        values = table.column(column.name)
        where = f"table {self.name}, column {column.name!r}"
        if not _same_type(values.type, column):
            raise ValueError(f"{where}: wants {column.type}, got {values.type}")
        if not column.nullable and values.null_count:
            raise ValueError(f"{where}: {values.null_count} nulls in a column that has none")
        present = values.drop_null()
        if column.one_of:
            strange = pc.filter(present, pc.invert(pc.is_in(present, pa.array(column.one_of))))
            if len(strange):
                raise ValueError(f"{where}: {strange[0].as_py()!r} is not one of {', '.join(column.one_of)}")
        for bound, beyond in ((column.minimum, pc.less), (column.maximum, pc.greater)):
            if bound is not None and len(present):
                outside = pc.filter(present, beyond(present, bound))
                if len(outside):
                    raise ValueError(f"{where}: {outside[0].as_py()!r} is outside the bound {bound:g}")

    def markdown(self) -> str:
        """Return the table's section of the reference, docs/reference/tables.md."""
        keys = ", ".join(f"`{key}`" for key in self.primary_key)
        lines = [f"## `{self.name}`", "", f"{self.meaning} Key: {keys}.", ""]
        lines += ["| column | type | meaning |", "|---|---|---|"]
        for column in self.columns:
            null = ", may be null" if column.nullable else ""
            refers = f"; refers to `{'.'.join(column.references)}`" if column.references else ""
            lines.append(f"| `{column.name}` | {_type_name(column)}{null} | {column.meaning}{refers} |")
        return "\n".join(lines)


def _in_some_order(keys: pa.Table) -> bool:
    """Whether keys come in some order of their columns, so that none repeats: most do, and to look is cheaper than to
    find repeats.
    """
    orders = permutations(keys.column_names) if keys.num_columns <= MOST_ORDERED else ()
    return any(_ascends(keys.select(names)) for names in orders)


def _ascends(keys: pa.Table) -> bool:
    """Whether rows come in runs of one value of the first column, each value in one run, within which the others
    ascend, column after column.
    """
    lead, *others = keys.itercolumns()
    begins = pc.not_equal(lead.slice(1), lead.slice(0, len(lead) - 1))
    if not _all(pc.or_(begins, _above(others))):
        return False
    heads = lead.filter(pa.chunked_array([pa.array([True]), *begins.chunks]))
    if _all(_above([heads])):
        return True
    return len(heads) <= MOST_RUNS and pc.count_distinct(heads).as_py() == len(heads)


def _above(columns: Iterable[pa.ChunkedArray]) -> Any:
    """Which rows are above the one before them, column after column; none of no columns."""
    above, alike = pa.scalar(False), pa.scalar(True)
    for column in columns:
        before, after = column.slice(0, len(column) - 1), column.slice(1)
        above = pc.or_(above, pc.and_(alike, pc.greater(after, before)))
        alike = pc.and_(alike, pc.equal(after, before))
    return above


def _all(values: Any) -> bool:
    return bool(pc.all(pc.fill_null(values, False), min_count=0).as_py())


def _n_repeated(keys: pa.Table) -> int:
    return int(keys.num_rows - keys.group_by(keys.column_names).aggregate([]).num_rows)


def _parts(values: pa.Array, kind: pa.DataType) -> list[pa.Array]:
    """Values as arrays of another type, none of more than PART rows: the ends of its texts may have half the bits."""
    if values.type == kind:
        return [values]
    if len(values) <= PART:
        return [values.cast(kind)]
    rows = (np.arange(at, min(at + PART, len(values))) for at in range(0, len(values), PART))
    return [values.take(pa.array(some)).cast(kind) for some in rows]  # a slice keeps the ends of the whole


def _same_type(found: pa.DataType, column: Column) -> bool:
    if column.vector:
        is_list = pa.types.is_list(found) or pa.types.is_fixed_size_list(found)
        return bool(is_list and found.value_type == column.type.value_type)
    return bool(found == column.type)


def _type_name(column: Column) -> str:
    if column.vector:
        return f"{column.type.value_type}[dim]"
    if pa.types.is_map(column.type):
        return f"map({column.type.key_type}, {column.type.item_type})"
    if pa.types.is_list(column.type):
        kind = column.type.value_type
        return f"struct({', '.join(field.name for field in kind)})[]" if pa.types.is_struct(kind) else f"{kind}[]"
    return str(column.type)
