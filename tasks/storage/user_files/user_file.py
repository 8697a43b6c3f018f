"""A table that the user gives, as CSV or Parquet, read strictly and by the same rules wherever one is taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from windrow.tasks.storage.sources.columns.parquet_columns import class_names, is_plain, jsonable
from windrow.tasks.storage.sources.source_fields import as_text
from windrow.tasks.storage.user_files.csv_records import Record, open_csv
from windrow.tasks.storage.user_files.wanted_columns import Wanted, plain_name

SUFFIXES = (".csv", ".tsv", ".parquet")
OF_COCO = (".json", ".json.gz")
_ROWS = 8192


@dataclass(frozen=True)
class UserFile:
    """The rows of a file: string columns of trimmed text, null where a field is empty, and `line` (int64) of each.

    `unit` is what is counted: 'line' in CSV, from the file's first, or 'row' in Parquet, from 1. `class_names` is what
    the numbers of a column `label` stand for, where the file says so. `decimal_comma`: the separator is no comma.
    `repeated`: lines that only say the header again.
    """

    path: Path
    rows: pa.Table
    unit: str
    class_names: tuple[str, ...] | None = None
    decimal_comma: bool = False
    repeated: tuple[int, ...] = ()

    def place(self, row: int) -> str:
        """Name a row, by its number from 0, as a person finds it: 'labels.csv, line 7'."""
        return f"{self.path}, {self.unit} {self.rows['line'][row]}"

    def texts(self, column: str) -> list[str]:
        """Return a column's texts, '' where a field is empty."""
        return [text or "" for text in self.rows[column].to_pylist()]


def is_table(path: Path) -> bool:
    """Say whether a path names a kind of table that can be read."""
    return path.suffix.lower() in SUFFIXES


def is_coco(path: Path) -> bool:
    """Say whether a path is named as a file of annotations in COCO's format is, see `coco_file`."""
    return path.name.lower().endswith(OF_COCO)


def check_columns(path: Path, wanted: Wanted) -> frozenset[str]:
    """Return the names of a file's columns, in lower case; the rows are not read.

    Raises ValueError, naming the file, unless these have what is wanted.
    """
    if path.suffix.lower() == ".parquet":
        with _open_parquet(path) as file:
            names = file.schema_arrow.names
    else:
        names = open_csv(path, wanted).header
    _places(path, wanted, names)
    return frozenset(name.strip().lower() for name in names)


def read_user_file(path: Path, wanted: Wanted) -> UserFile:
    """Read the wanted columns of a file; column names are told apart neither by case nor by blanks around them.

    Raises ValueError naming the file and the line or column that is not as it should be, see `csv_records`.
    """
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path, wanted)
    file = open_csv(path, wanted)
    rows = _columns(file.records(), _places(path, wanted, file.header))
    return UserFile(path, rows, "line", None, file.separator != ",", tuple(file.repeated))


def _columns(records: Iterator[Record], places: dict[str, int]) -> pa.Table:
    """Records become columns some thousands at a time: as objects they take ten times the memory."""
    schema = pa.schema([("line", pa.int64()), *((name, pa.string()) for name in places)])
    parts = [schema.empty_table()]
    while some := list(islice(records, _ROWS)):
        columns = [[fields[place] or None for _, fields in some] for place in places.values()]
        arrays = [pa.array([line for line, _ in some], pa.int64()), *(pa.array(each, pa.string()) for each in columns)]
        parts.append(pa.Table.from_arrays(arrays, schema=schema))
    return pa.concat_tables(parts).combine_chunks()


def _places(path: Path, wanted: Wanted, names: Sequence[str]) -> dict[str, int]:
    try:
        return wanted.places(names)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None


def _open_parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no Parquet file, or damaged: {error}") from None


def _read_parquet(path: Path, wanted: Wanted) -> UserFile:
    with _open_parquet(path) as file:
        schema = file.schema_arrow
        places = _places(path, wanted, schema.names)
        try:
            table = file.read(columns=[schema.names[place] for place in places.values()])
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is damaged: {error}") from None
    texts = [_texts(path, schema.names[place], table[schema.names[place]]) for place in places.values()]
    numbers = pa.array(range(1, table.num_rows + 1), pa.int64())
    rows = pa.Table.from_arrays([numbers, *texts], names=["line", *places])
    label = next((name for name in schema.names if plain_name(name) == "label"), "label")
    names = class_names(schema, label)
    return UserFile(path, rows, "row", tuple(names) if names is not None else None)


def _texts(path: Path, name: str, values: pa.ChunkedArray) -> pa.Array:
    """A plain column as text: 3 and 3.0 are '3', NaN and what is empty is null."""
    array = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    if pa.types.is_null(array.type):
        return array.cast(pa.string())
    if not is_plain(array.type):
        raise ValueError(f"{path}, column {name!r}: wants texts or numbers, got {array.type}")
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    found = [None if value is None else as_text(value) for value in jsonable(array).to_pylist()]
    return pa.array(found, pa.string())
