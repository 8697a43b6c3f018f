"""Parquet files: a row is an occurrence, read a few rows at a time."""

from __future__ import annotations

import bisect
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from windrow.tasks.storage.sources.parquet_pages import PagedFile, TooMuchUnpackedError, unfolded
from windrow.tasks.storage.sources.source import (
    CHANGED,
    OpenFiles,
    Reading,
    Row,
    SampleBytes,
    SampleGone,
    Source,
    open_shard,
)
from windrow.tasks.storage.sources.source_fields import MAX_SIDECAR_BYTES, Fields, make_fields, split_name
from windrow.tasks.storage.sources.source_shard import (
    Already,
    Found,
    IngestConfig,
    SourceFile,
    SourceShard,
    sample_id_of,
    too_large,
)

BATCH_BYTES = 8 * 2**20
BATCH_ROWS = 16  # a file may hold a large value once, in a dictionary, for all its rows
MAX_ROWS = 2**40
MAX_DAMAGED_ROWS = 2**20
MAX_PATH = 4096
IMAGE_NAMES = ("image", "img", "jpg", "jpeg", "png", "webp", "bytes", "image_bytes")


@dataclass(frozen=True)
class _Wrong:
    """Stands for a value of a plain column that cannot be told."""

    reason: str


class ParquetSource(Source):
    """A Parquet file is a shard."""

    def takes(self, path: str) -> bool:
        return path.lower().endswith(".parquet")

    def plan(self, source: str, files: Sequence[SourceFile], config: IngestConfig) -> Iterator[SourceShard]:
        return (SourceShard(source, "parquet", file.path, file.identity, error=file.error) for file in files)

    def iterate(
        self, shard: SourceShard, config: IngestConfig, copy: Path | None, already: Already | None
    ) -> Iterator[Found]:
        file = open_shard(shard)
        if isinstance(file, Found):
            yield file
            return
        with file:
            yield from iterate_parquet(file, shard.name, config)

    def read(self, rows: Mapping[int, Row], opened: OpenFiles, with_members: bool) -> Reading:
        file = opened.open(rows)
        parquet = file if isinstance(file, str) else open_parquet(file)
        if isinstance(parquet, str):
            return {n: SampleGone(file if isinstance(file, str) else CHANGED) for n in rows}
        found = read_rows(parquet, {row["position"]: row["sample_id"] for row in rows.values()})
        return {
            n: SampleBytes(found[row["position"]], {}) if row["position"] in found else SampleGone(CHANGED)
            for n, row in rows.items()
        }


def iterate_parquet(file: BinaryIO, name: str, config: IngestConfig) -> Iterator[Found]:
    """Yield an occurrence for every row, in order of `position`, the number of the row.

    The images are in `image_column`, else in the first column that is a struct with `bytes` (the Image feature of
    Hugging Face datasets), else in the first binary column of a usual name; a column inside structs is named by its
    path, as in 'sample.image'. Numbers of a ClassLabel become its names.
    Other columns of plain values become metadata; nested and binary ones are left out.

    Raises ValueError naming the file and its columns when there is no such column.
    """
    parquet = open_parquet(file)
    if isinstance(parquet, str):
        yield Found(0, name, None, error=parquet)
        return
    column = _image_column(parquet.schema_arrow, name, config)
    first = 0
    for group in range(parquet.num_row_groups):
        n_rows = parquet.metadata.row_group(group).num_rows
        yield from _group_found(parquet, group, range(first, first + n_rows), column, config)
        first += n_rows


def open_parquet(file: BinaryIO) -> PagedFile | str:
    """Return the file as Parquet, or the reason when it is none."""
    try:
        parquet = PagedFile(file, buffer_size=2**20, pre_buffer=False, page_checksum_verification=True)
        counts = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
        return parquet if min(counts, default=0) >= 0 and sum(counts) <= MAX_ROWS else "damaged Parquet file"
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: a column's name is damaged
        _raise_if_disk_failed(error)
    file.seek(0)
    start = file.read(4)
    return ("damaged" if start == b"PAR1" else "not a") + " Parquet file" if start else "empty file"


def read_rows(parquet: PagedFile, wanted: Mapping[int, str]) -> dict[int, bytes]:
    """Return the images of some rows; `wanted` maps the number of a row to its sample_id.

    A row whose image does not have this sample_id (any more) is left out. The hash says which column was ingested: the
    others are only read for rows that the likeliest does not have. Only row groups with wanted rows are read.
    """
    found: dict[int, bytes] = {}
    for column in image_columns(parquet.schema_arrow):
        missing = sorted(set(wanted) - set(found))
        for position, data in _column_rows(parquet, column, missing):
            if data is not None and sample_id_of(data) == wanted[position]:
                found[position] = data
    return found


def image_columns(schema: pa.Schema) -> list[str]:
    """Return the columns that may hold images, likeliest first."""
    fields = list(_leaves(_named_once(schema)))
    structs = [name for name, kind in fields if _is_image_struct(kind)]
    binary = [name for name, kind in fields if _is_binary(kind)]
    return sorted(structs, key=_depth) + sorted(binary, key=lambda name: (not _is_usual(name), _depth(name)))


def _leaves(fields: Iterable[pa.Field], prefix: str = "") -> Iterator[tuple[str, pa.DataType]]:
    """Yield every column that is no struct, or is one with an image's bytes, under its path."""
    for field in fields:
        if pa.types.is_struct(field.type) and not _is_image_struct(field.type):
            yield from _leaves(field.type, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, field.type


def _depth(name: str) -> int:
    return name.count(".")


def _is_usual(name: str) -> bool:
    return name.rpartition(".")[2].lower() in IMAGE_NAMES


def _named_once(schema: pa.Schema) -> list[pa.Field]:
    """Leave out columns of the same name: which of them was meant cannot be told."""
    counts = Counter(schema.names)
    return [field for field in schema if counts[field.name] == 1]


def _image_column(schema: pa.Schema, name: str, config: IngestConfig) -> str:
    able = image_columns(schema)
    if config.image_column is not None:
        likely = [column for column in able if column == config.image_column]
    else:
        structs = {name for name, kind in _leaves(schema) if _is_image_struct(kind)}
        likely = [column for column in able if _is_usual(column) or column in structs]
    if not likely:
        wanted = "an image column" if config.image_column is None else f"image_column {config.image_column!r}"
        columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
        raise ValueError(f"{name}: {wanted} of bytes was not found; the file has {columns or 'no columns'}")
    return likely[0]


def _group_found(parquet: PagedFile, group: int, rows: range, column: str, config: IngestConfig) -> Iterator[Found]:
    schema = parquet.schema_arrow
    plain = [field.name for field in _named_once(schema) if is_plain(field.type) and field.name != column]
    names = class_names(schema, config.label_key)
    done, error, last = rows.start, "damaged row group", b""
    for batch in until_too_much(batches(parquet, group, [column, *plain])):
        if isinstance(batch, str):
            error = batch
            break
        images = _images(batch, column)
        columns = [plain_values(batch.column(key)) for key in plain]
        for n, (data, path) in enumerate(images):
            if data is not None:
                last = data = last if data == last else data  # one object, which is hashed once
            given = {key: values[n] for key, values in zip(plain, columns, strict=True)}
            yield _found(done, data, path, row_fields(given, names, config), config)
            done += 1
    if rows.stop - done > MAX_DAMAGED_ROWS:  # a damaged file can claim any number
        yield Found(done, str(done), None, error=f"{error} of {rows.stop - done} rows")
        return
    for position in range(done, rows.stop):
        yield Found(position, str(position), None, error=error)


def _found(position: int, data: bytes | None, path: str | None, fields: Fields, config: IngestConfig) -> Found:
    key, extension = split_name(path) if path and len(path) <= MAX_PATH else (str(position), None)
    size = None if data is None else len(data)
    missing = "null image: only its path is in the file" if path else "null image"
    error = missing if size is None else too_large(size, config)
    return Found(position, key, extension, None, size, None if error else data, error, **vars(fields))


def row_fields(given: Mapping[str, Any], names: Sequence[str] | None, config: IngestConfig) -> Fields:
    """Take the fields of a row out of its values; `names` are those of the classes that a label is the number of."""
    values = {k: v for k, v in given.items() if v is not None and not (isinstance(v, float) and not math.isfinite(v))}
    errors = [f"{key}: {reason}" for key, value in values.items() if (reason := _why_left_out(value))]
    values = {key: value for key, value in values.items() if not _why_left_out(value)}
    number = values.get(config.label_key)
    if names is not None and isinstance(number, int):
        del values[config.label_key]
        if 0 <= number < len(names):
            values[config.label_key] = names[number]
        elif number != -1:  # -1 is how datasets spells 'no label'
            errors.append(f"{config.label_key}: {number} is not one of {len(names)} classes")
    return make_fields(values, config, errors=errors)


def _why_left_out(value: Any) -> str | None:
    if isinstance(value, _Wrong):
        return value.reason
    too_long = isinstance(value, str) and len(value) > MAX_SIDECAR_BYTES
    return f"larger than {MAX_SIDECAR_BYTES} characters" if too_long else None


def batches(parquet: PagedFile, group: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a row group; they end early where the file is damaged."""
    about = parquet.metadata.row_group(group)
    n_rows = max(1, min(BATCH_ROWS, about.num_rows * BATCH_BYTES // max(1, about.total_byte_size)))
    batches = parquet.batches(group, columns, n_rows)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            _raise_if_disk_failed(error)
            return
        if batch is None:
            return
        yield batch


def until_too_much(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch | str]:
    """Yield what there is; at last the reason, when a row group takes more memory than reading may."""
    try:
        yield from batches
    except TooMuchUnpackedError as error:
        yield str(error)


def _column_rows(parquet: PagedFile, column: str, rows: list[int]) -> Iterator[tuple[int, bytes | None]]:
    counts = (parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups))
    bounds = list(accumulate(counts, initial=0))
    for group, (first, end) in enumerate(pairwise(bounds)):
        inside = rows[bisect.bisect_left(rows, first) : bisect.bisect_left(rows, end)]
        for batch in until_too_much(batches(parquet, group, [column])) if inside else ():
            if isinstance(batch, str):
                break
            here = inside[: bisect.bisect_left(inside, first + batch.num_rows)]
            images = _images(batch.take(pa.array([row - first for row in here], pa.int64())), column)
            yield from zip(here, (data for data, _ in images), strict=True)
            inside, first = inside[len(here) :], first + batch.num_rows
            if not inside:
                break


def _images(batch: pa.RecordBatch, column: str) -> list[tuple[bytes | None, str | None]]:
    values = _nested(batch, column)
    if not _is_image_struct(values.type):
        return [(data, None) for data in unfolded(values)]
    data = unfolded(pc.struct_field(values, "bytes"))
    has_path = values.type.get_field_index("path") >= 0 and pa.types.is_string(values.type.field("path").type)
    paths = pc.struct_field(values, "path").cast(pa.binary()).to_pylist() if has_path else [None] * len(data)
    texts = (None if path is None else path.decode("utf-8", "backslashreplace") for path in paths)
    return list(zip(data, texts, strict=True))


def _nested(batch: pa.RecordBatch, column: str) -> pa.Array:
    """A column, or the one at the end of a path through structs; null where one of these is."""
    if column in batch.schema.names:
        return batch.column(column)
    first, *rest = column.split(".")
    values = batch.column(first)
    for name in rest:
        values = pc.struct_field(values, name)
    return values


def class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """Return the class names that Hugging Face datasets keeps in the schema's metadata."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[column]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def plain_values(values: pa.Array) -> list[Any]:
    """Return the values of a plain column; for those that have no text or number, why."""
    try:
        return unfolded(jsonable(values))
    except (pa.ArrowException, ValueError, OverflowError) as error:
        if len(values) > 1:  # the others are not to suffer
            return [value for n in range(len(values)) for value in plain_values(values.slice(n, 1))]
        return [_Wrong("not UTF-8" if isinstance(error, UnicodeDecodeError) else "cannot be spelt out")]


def jsonable(values: pa.Array) -> pa.Array:
    """Return a plain column such that its values fit into JSON: times and decimals become text."""
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        values = values.cast(pa.timestamp(values.type.unit, "UTC"))  # other zones need a database to be spelt out
    if pa.types.is_temporal(values.type) or pa.types.is_decimal(values.type):
        return pc.cast(values, pa.string())
    return values


def is_plain(type_: pa.DataType) -> bool:
    """Say whether values of a type are numbers, texts or times."""
    if pa.types.is_dictionary(type_):
        return is_plain(type_.value_type)
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string)
    others = (pa.types.is_large_string, pa.types.is_timestamp, pa.types.is_date, pa.types.is_time, pa.types.is_decimal)
    return any(test(type_) for test in (*kinds, *others))


def _is_binary(type_: pa.DataType) -> bool:
    return bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_))


def _is_image_struct(type_: pa.DataType) -> bool:
    if not pa.types.is_struct(type_):
        return False
    index = type_.get_field_index("bytes")
    return index >= 0 and _is_binary(type_.field(index).type)


def _raise_if_disk_failed(error: BaseException) -> None:
    """Arrow reports damaged files as OSError too, but without a number."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error
