"""The rows of a list: CSV (RFC 4180, with a header), JSONL (an object a line) or Parquet.

A row that does not parse is a row with an error, and the rows after it are read as if it were not there.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

from windrow.tasks.storage.sources.columns.parquet_columns import class_names, is_plain, jsonable
from windrow.tasks.storage.sources.columns.parquet_pages import PagedFile, unfolded
from windrow.tasks.storage.sources.parquet_source import batches, open_parquet, until_too_much

MAX_LINE = 2**20
LIST_EXTENSIONS = ("csv", "jsonl", "ndjson", "parquet")


@dataclass(frozen=True)
class Place:
    """Where a row begins: its number from 0, and in a text its byte and its line, from 1."""

    row: int = 0
    offset: int = 0
    line: int = 1


@dataclass(frozen=True)
class ListRow:
    """A row: its values by column, or why there are none; `end` is where the next begins."""

    name: str
    end: Place
    values: Mapping[str, Any]
    error: str | None = None


class ListReader(Protocol):
    """A list that is open: `columns` are those of its header, or of the first object; `start` is its first row."""

    columns: list[str]
    start: Place

    def rows(self, place: Place) -> Iterator[ListRow]:
        """Yield the rows from a place on."""
        ...

    def class_names(self, column: str) -> list[str] | None:
        """Return what the numbers in a column stand for, where the list says so."""
        ...


def open_list(file: BinaryIO, path: str) -> ListReader | str:
    """Return a reader for a list by its extension, or the reason why it cannot be read.

    Raises ValueError when the extension is not of LIST_EXTENSIONS, or a CSV has two columns of one name.
    """
    extension = path.lower().rpartition(".")[2]
    if extension not in LIST_EXTENSIONS:
        raise ValueError(f"{path}: a list is one of .{', .'.join(LIST_EXTENSIONS)}")
    if extension == "parquet":
        parquet = open_parquet(file)
        return parquet if isinstance(parquet, str) else _ParquetReader(parquet)
    if not file.read(1):
        return "empty file"
    text = cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, file)))  # fsspec's own readline takes no limit
    return _CsvReader(text, path) if extension == "csv" else _JsonReader(text)


class _CsvReader:
    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        lines = _Lines(file, Place())
        try:
            self.columns = next(csv.reader(lines, strict=True), [])
        except (csv.Error, ValueError) as error:
            raise ValueError(f"{path}: the header does not parse: {error}") from None
        repeated = [name for n, name in enumerate(self.columns) if name in self.columns[:n]]
        if repeated:
            raise ValueError(f"{path}: the header has {repeated[0]!r} twice")
        self.start = Place(0, lines.offset, lines.line)

    def rows(self, place: Place) -> Iterator[ListRow]:
        lines = _Lines(self._file, place)
        reader = csv.reader(lines, strict=True)
        number = place.row
        while True:
            first = lines.line
            values, error = _next_row(reader)
            if values is None and error is None:
                return
            if values == []:  # an empty line
                continue
            name = _lines_named(first, lines.line - 1)
            if values is not None and len(values) != len(self.columns):
                error = f"has {len(values)} fields, the header {len(self.columns)}"
            number += 1
            end = Place(number, lines.offset, lines.line)
            given = {} if error or values is None else dict(zip(self.columns, values, strict=True))
            yield ListRow(name, end, {k: v for k, v in given.items() if v}, f"{name} {error}" if error else None)

    def class_names(self, column: str) -> None:
        return None


class _JsonReader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.start = Place()
        self.columns = next((list(row.values) for row in self.rows(self.start) if row.values), [])

    def rows(self, place: Place) -> Iterator[ListRow]:
        lines = _Lines(self._file, place)
        number = place.row
        while True:
            name = f"line {lines.line}"
            values, error = _next_object(lines)
            if values is None and error is None:
                return
            if values == "":  # an empty line
                continue
            number += 1
            given = values if isinstance(values, dict) else {}
            yield ListRow(name, Place(number, lines.offset, lines.line), given, f"{name} {error}" if error else None)

    def class_names(self, column: str) -> None:
        return None


class _ParquetReader:
    def __init__(self, parquet: PagedFile) -> None:
        self._parquet = parquet
        self.start = Place()
        self.columns = [each.name for each in parquet.schema_arrow if is_plain(each.type)]

    def rows(self, place: Place) -> Iterator[ListRow]:
        first = 0
        for group in range(self._parquet.num_row_groups):
            end = first + self._parquet.metadata.row_group(group).num_rows
            if end > place.row:
                yield from self._group_rows(group, first, end, place.row)
            first = end

    def _group_rows(self, group: int, first: int, end: int, wanted: int) -> Iterator[ListRow]:
        at, error = first, "damaged row group"
        for batch in until_too_much(batches(self._parquet, group, self.columns)):
            if isinstance(batch, str):
                error = batch
                break
            part = batch.slice(max(0, wanted - at))
            values = [unfolded(jsonable(part.column(name))) for name in self.columns]
            number = at + batch.num_rows - part.num_rows
            for given in zip(*values, strict=True):
                yield ListRow(f"row {number}", Place(number + 1), dict(zip(self.columns, given, strict=True)))
                number += 1
            at += batch.num_rows
        for number in range(max(at, wanted), end):
            yield ListRow(f"row {number}", Place(number + 1), {}, f"row {number}: {error}")

    def class_names(self, column: str) -> list[str] | None:
        return class_names(self._parquet.schema_arrow, column)


class _Lines:
    """The lines of a text in UTF-8; `offset` and `line` say where the next begins. A bad line raises ValueError."""

    def __init__(self, file: BinaryIO, place: Place) -> None:
        file.seek(place.offset)
        self._file, self.offset, self.line = file, place.offset, place.line

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        data = self._file.readline(MAX_LINE)
        if not data:
            raise StopIteration
        is_first = self.offset == 0
        self.offset += len(data)
        self.line += 1
        if not data.endswith(b"\n") and len(data) == MAX_LINE:
            self._skip_line()
            raise ValueError(f"is longer than {MAX_LINE} bytes")
        try:
            return data.decode("utf-8-sig" if is_first else "utf-8")
        except UnicodeDecodeError:
            raise ValueError("is not UTF-8") from None

    def _skip_line(self) -> None:
        while data := self._file.readline(MAX_LINE):
            self.offset += len(data)
            if data.endswith(b"\n"):
                return


def _next_row(reader: Iterator[list[str]]) -> tuple[list[str] | None, str | None]:
    try:
        return next(reader, None), None
    except csv.Error:
        return None, "does not parse"
    except ValueError as error:
        return None, str(error)


def _next_object(lines: _Lines) -> tuple[dict[str, Any] | str | None, str | None]:
    try:
        line = next(lines, None)
    except ValueError as error:
        return None, str(error)
    if line is None or not line.strip():
        return (None if line is None else ""), None
    try:
        value = json.loads(line, parse_constant=lambda _: None)  # no other parser reads the NaN that Python writes
    except (ValueError, RecursionError):
        return None, "does not parse"
    return (value, None) if isinstance(value, dict) else (None, "is no JSON object")


def _lines_named(first: int, last: int) -> str:
    return f"line {first}" if last <= first else f"lines {first} to {last}"
