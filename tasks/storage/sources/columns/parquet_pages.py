"""What the pages of a Parquet file unpack to, told by their headers before any is unpacked.

A page is unpacked whole, into exactly as many bytes as its header says (the footer may say otherwise, so it is not
asked). A column's current page and its dictionary are in memory together, and so are those of all columns of a row
group that are read: that is what reading takes, beside the values of a few rows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from windrow.tasks.pictures.machine_memory import FREE, reserved_for_reading

HEADER_BYTES = 4096
MAX_HEADER_BYTES = 2**24  # as Arrow has it
LARGE = 2**20
"""A dictionary, or a page whose values share their beginnings, of more bytes is not unfolded for many rows at once."""
ROWS_OF_FOLDED = 1024
MAX_UNPACKED = 2 * 2**30
MAX_EXPANSION = 100
"""Pictures are packed already: more than FREE bytes, and so many times what the file holds, are no column of them."""
_DICTIONARY_PAGE = 2
_SHARES_BEGINNINGS = "DELTA_BYTE_ARRAY"


class TooMuchUnpackedError(Exception):
    """A row group takes more memory than reading may; the message is the reason to report."""


class PagedFile(pq.ParquetFile):  # type: ignore[misc]
    """A Parquet file that knows the file that it lies in."""

    def __init__(self, file: BinaryIO, **options: Any) -> None:
        super().__init__(file, **options)
        self.file, self.options = file, options

    def batches(self, group: int, columns: Sequence[str], n_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a row group, at most `n_rows` at a time.

        Large dictionaries stay dictionaries: see `unfolded`. Raises TooMuchUnpackedError, and what pyarrow does.
        """
        chunks = [chunk for chunk in _chunks(self.metadata.row_group(group)) if _is_among(chunk, columns)]
        sizes = [_unpacked(self.file, chunk) for chunk in chunks]
        needed, packed = sum(map(sum, sizes)), sum(chunk.total_compressed_size for chunk in chunks)
        if needed > MAX_UNPACKED or (needed > FREE and needed > MAX_EXPANSION * packed):
            raise TooMuchUnpackedError(f"too large: {packed} bytes of its row group unpack to {needed}")
        folded = [c.path_in_schema for c, (dictionary, _) in zip(chunks, sizes, strict=True) if dictionary > LARGE]
        reader: pq.ParquetFile = self
        if folded:
            reader = pq.ParquetFile(self.file, metadata=self.metadata, read_dictionary=folded, **self.options)
            n_rows = max(n_rows, ROWS_OF_FOLDED)  # each batch comes with its dictionary, and rows only refer to it
        shares = any(_SHARES_BEGINNINGS in c.encodings and s[1] > LARGE for c, s in zip(chunks, sizes, strict=True))
        with reserved_for_reading(needed):
            yield from reader.iter_batches(1 if shares else n_rows, [group], list(columns))


def unfolded(values: pa.Array) -> list[Any]:
    """Return the values of an array; those that a dictionary holds once are one object."""
    if not pa.types.is_dictionary(values.type):
        listed: list[Any] = values.to_pylist()
        return listed
    places = values.indices.to_pylist()
    objects = {place: values.dictionary[place].as_py() for place in set(places) if place is not None}
    return [None if place is None else objects[place] for place in places]


def _chunks(group: pq.RowGroupMetaData) -> Iterator[pq.ColumnChunkMetaData]:
    return (group.column(n) for n in range(group.num_columns))


def _is_among(chunk: pq.ColumnChunkMetaData, columns: Sequence[str]) -> bool:
    path = chunk.path_in_schema
    return any(path == column or path.startswith(f"{column}.") for column in columns)


def _unpacked(file: BinaryIO, chunk: pq.ColumnChunkMetaData) -> tuple[int, int]:
    """Return the bytes of the dictionary of a column chunk and of its largest page, unpacked.

    Ends at the first header that makes no sense: whoever reads the chunk will not come further.
    """
    dictionary = largest = 0
    starts = [place for place in (chunk.dictionary_page_offset, chunk.data_page_offset) if place]
    place = min(starts, default=0)
    end = place + chunk.total_compressed_size
    while 0 <= place < end:
        header = _page_header(file, place)
        if header is None:
            break
        kind, n_unpacked, n_packed, n_header = header
        if kind == _DICTIONARY_PAGE:
            dictionary = max(dictionary, n_unpacked)
        else:
            largest = max(largest, n_unpacked)
        place += n_header + n_packed
    return dictionary, largest


def _page_header(file: BinaryIO, place: int) -> tuple[int, int, int, int] | None:
    """Return (type, unpacked bytes, packed bytes, bytes of the header) of the page at a place."""
    size = HEADER_BYTES
    while size <= MAX_HEADER_BYTES:
        file.seek(place)
        data = file.read(size)
        try:
            fields, end = _compact_struct(data, 0)
            kind, n_unpacked, n_packed = (fields[number] for number in (1, 2, 3))
            # A page of more than 2 GB has a size that does not fit: it is written as what is left of it.
            return (kind, n_unpacked % 2**32, n_packed, end) if n_packed >= 0 else None
        except (IndexError, struct.error):
            if len(data) < size:
                return None
            size *= 16
        except (KeyError, ValueError, RecursionError):
            return None
    return None


def _compact_struct(data: bytes, at: int) -> tuple[dict[int, int], int]:
    """Return the integers of a struct of Thrift's compact protocol, by field, and where it ends."""
    fields: dict[int, int] = {}
    number = 0
    while head := data[at]:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = _zigzag(data, at)
        value, at = _compact_value(data, at, head & 15)
        if value is not None:
            fields[number] = value
    return fields, at + 1


def _compact_value(data: bytes, at: int, kind: int) -> tuple[int | None, int]:
    if kind in (1, 2):  # true, false
        return None, at
    if kind == 3:
        return None, at + 1
    if kind in (4, 5, 6):
        return _zigzag(data, at)
    if kind == 7:
        return None, at + 8
    if kind == 8:
        length, at = _varint(data, at)
        if at + length > len(data):
            raise IndexError
        return None, at + length
    if kind == 12:
        return None, _compact_struct(data, at)[1]
    raise ValueError(kind)  # lists and maps: no page header has them


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return value >> 1 ^ -(value & 1), at
