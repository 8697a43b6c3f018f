"""A column of a pool as one array, whatever its size.

Arrow tells where the texts of an array end in 32 bits: 2 GiB in all, so no more than 67,108,864 ids of 32 letters. What
is put together here ends in 64 bits, at any size: what works on ten rows works on a hundred million.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

_WIDE = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column as one array: texts, and lists of them, with ends of 64 bits; all else as it is."""
    wide = _wide(column.type)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return joined((chunk if chunk.type == wide else chunk.cast(wide) for chunk in chunks), wide)


def wide(table: pa.Table) -> pa.Table:
    """Return a table whose texts have ends of 64 bits, as `take` and `sort_by` want of a pool."""
    fields = [pa.field(field.name, _wide(field.type), field.nullable, field.metadata) for field in table.schema]
    return table.cast(pa.schema(fields, table.schema.metadata))


def joined(arrays: Iterable[pa.Array], kind: pa.DataType) -> pa.Array:
    """Return arrays of one type as one."""
    found = list(arrays)
    return found[0] if len(found) == 1 else pa.concat_arrays(found or [pa.array([], kind)])


def _wide(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_list(kind) and kind.value_type in _WIDE:
        return pa.large_list(_WIDE[kind.value_type])
    return _WIDE.get(kind, kind)
