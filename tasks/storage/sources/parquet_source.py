"""Parquet files: a row is an occurrence, read a few rows at a time."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from windrow.tasks.pictures.decoding import MAX_PIXELS
from windrow.tasks.storage.sources.beside.partitions import partition_layers
from windrow.tasks.storage.sources.columns.parquet_columns import (
    Wrong,
    class_names,
    image_columns,
    is_image_struct,
    is_text,
    is_usual,
    label_column,
    leaves,
    plain_values,
    readable_columns,
    with_class_name,
)
from windrow.tasks.storage.sources.columns.parquet_pages import PagedFile, TooMuchUnpackedError, unfolded
from windrow.tasks.storage.sources.columns.spark_images import is_spark_image, spark_png
from windrow.tasks.storage.sources.listing.source_place import SourcePlace
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
from windrow.tasks.storage.sources.source_fields import MAX_SIDECAR_BYTES, Fields, Layer, make_fields, split_name
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
PATHS = ("path",)
"""Columns that say where Spark's `content` was read from."""
MOST_NAMED = 12  # columns in a reason


@dataclass(frozen=True)
class _Columns:
    """What is read of a file: the column of the images, those of plain values, that of labels and its classes.

    `beneath`: what the file's folders say of all its rows. `names`: of all columns.
    """

    image: str
    plain: list[str]
    label: str
    classes: list[str] | None
    beneath: Sequence[Layer]
    names: tuple[str, ...]


class ParquetSource(Source):
    """A Parquet file is a shard."""

    def takes(self, path: str) -> bool:
        return path.lower().endswith(".parquet")

    def plan(self, place: SourcePlace, files: Sequence[SourceFile], config: IngestConfig) -> Iterator[SourceShard]:
        return (
            SourceShard(place.source, "parquet", file.path, file.identity, error=file.error, reach=place.reach)
            for file in files
        )

    def iterate(
        self, shard: SourceShard, config: IngestConfig, copy: Path | None, already: Already | None
    ) -> Iterator[Found]:
        file = open_shard(shard)
        if isinstance(file, Found):
            yield file
            return
        with file:
            yield from iterate_parquet(file, shard.shard, config)

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
    """Yield an occurrence for every row, in order of `position`, the number of the row; `name`: the file's path.

    The images are in `image_column`, else in the first column that is a struct with `bytes` (the Image feature of
    Hugging Face datasets), else in the first binary column of a usual name; a column inside structs is named by its
    path, as in 'sample.image'. Numbers of a ClassLabel become its names.
    Other columns of plain values become metadata; nested and binary ones are left out. Spark's images become PNG files.

    A file without such a column is one occurrence that says so.
    """
    parquet = open_parquet(file)
    if isinstance(parquet, str):
        yield Found(0, name.rpartition("/")[2], None, error=parquet)
        return
    columns = _columns(parquet.schema_arrow, name, config)
    if columns is None:
        yield Found(0, name.rpartition("/")[2], None, error=_without_images(parquet.schema_arrow, config))
        return
    first = 0
    for group in range(parquet.num_row_groups):
        n_rows = parquet.metadata.row_group(group).num_rows
        yield from _group_found(parquet, group, range(first, first + n_rows), columns, config)
        first += n_rows


def _columns(schema: pa.Schema, path: str, config: IngestConfig) -> _Columns | None:
    image = _image_column(schema, config)
    if image is None:
        return None
    label = label_column(schema.names, schema, config)
    return _Columns(
        image,
        [name for name in readable_columns(schema, config) if name != image],
        label,
        class_names(schema, label),
        partition_layers(path, config.label_key),
        tuple(schema.names),
    )


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


def _image_column(schema: pa.Schema, config: IngestConfig) -> str | None:
    able = image_columns(schema)
    if config.image_column is not None:
        likely = [column for column in able if column == config.image_column]
    else:
        structs = {name for name, kind in leaves(schema) if is_image_struct(kind)}
        likely = [column for column in able if is_usual(column) or column in structs]
    return likely[0] if likely else None


def _without_images(schema: pa.Schema, config: IngestConfig) -> str:
    """Say that a file has no image column, and which columns it has."""
    columns = [f"{field.name} ({field.type})" for field in schema]
    has = ", ".join(columns[:MOST_NAMED]) + (f" and {len(columns) - MOST_NAMED} more" * (len(columns) > MOST_NAMED))
    if config.image_column is not None:
        return f"no column {config.image_column!r} of image bytes (ingest.image_column); the file has {has or 'none'}"
    return f"no image column: name the one of bytes in ingest.image_column; the file has {has or 'no columns'}"


def _group_found(
    parquet: PagedFile, group: int, rows: range, columns: _Columns, config: IngestConfig
) -> Iterator[Found]:
    done, error, last = rows.start, "damaged row group", b""
    for batch in until_too_much(batches(parquet, group, [columns.image, *columns.plain])):
        if isinstance(batch, str):
            error = batch
            break
        images = _images(batch, columns.image, config.max_pixels)
        plain = [plain_values(batch.column(key)) for key in columns.plain]
        for n, (data, path) in enumerate(images):
            if isinstance(data, bytes):
                last = data = last if data == last else data  # one object, which is hashed once
            given = {key: values[n] for key, values in zip(columns.plain, plain, strict=True)}
            yield _found(done, data, path, given, columns, config)
            done += 1
    if rows.stop - done > MAX_DAMAGED_ROWS:  # a damaged file can claim any number
        yield Found(done, str(done), None, error=f"{error} of {rows.stop - done} rows")
        return
    for position in range(done, rows.stop):
        yield Found(position, str(position), None, error=error)


def _found(
    position: int,
    data: bytes | Wrong | None,
    path: str | None,
    given: dict[str, Any],
    columns: _Columns,
    config: IngestConfig,
) -> Found:
    if path is None and columns.image.rpartition(".")[2] == "content":
        path = next((given[name] for name in PATHS if isinstance(given.get(name), str)), None)
    key, extension = split_name(path) if path and len(path) <= MAX_PATH else (str(position), None)
    fields = row_fields(given, columns.classes, config, columns.label, columns.beneath)
    classes = None if columns.classes is None else tuple(columns.classes)
    if isinstance(data, bytes):
        size, error = len(data), too_large(len(data), config)
    else:
        missing = "null image: only its path is in the file" if path else "null image"
        size, error = None, data.reason if data else missing
    kept = None if error or not isinstance(data, bytes) else data
    return Found(
        position, key, extension, None, size, kept, error, class_names=classes, columns=columns.names, **vars(fields)
    )


def row_fields(
    given: Mapping[str, Any],
    names: Sequence[str] | None,
    config: IngestConfig,
    label: str | None = None,
    beneath: Sequence[Layer] = (),
) -> Fields:
    """Take the fields of a row out of its values; `names` are those of the classes that a label is the number of.

    label: the column that holds it, where that is not `label_key`. beneath: what else is known of the row.
    """
    label = label or config.label_key
    values = {k: v for k, v in given.items() if v is not None and not (isinstance(v, float) and not math.isfinite(v))}
    if names is not None and label in values:
        values = with_class_name(values, label, names)
    errors = [f"{key}: {reason}" for key, value in values.items() if (reason := _why_left_out(value))]
    values = {config.label_key if key == label else key: v for key, v in values.items() if not _why_left_out(v)}
    return make_fields([(f"column {label}", values), *beneath], config, errors)


def _why_left_out(value: Any) -> str | None:
    if isinstance(value, Wrong):
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
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
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
            for row in here:
                data = _images(batch.slice(row - first, 1), column, MAX_PIXELS)[0][0]
                yield row, data if isinstance(data, bytes) else None
            inside, first = inside[len(here) :], first + batch.num_rows
            if not inside:
                break


def _images(batch: pa.RecordBatch, column: str, max_pixels: int) -> list[tuple[bytes | Wrong | None, str | None]]:
    values = _nested(batch, column)
    if is_spark_image(values.type):
        return [_spark_image(image, max_pixels) for image in values.to_pylist()]
    if not is_image_struct(values.type):
        return [(data, None) for data in unfolded(values)]
    data = unfolded(pc.struct_field(values, "bytes"))
    has_path = values.type.get_field_index("path") >= 0 and is_text(values.type.field("path").type)
    paths = pc.struct_field(values, "path").cast(pa.binary()).to_pylist() if has_path else [None] * len(data)
    texts = (None if path is None else path.decode("utf-8", "backslashreplace") for path in paths)
    return list(zip(data, texts, strict=True))


def _spark_image(image: Mapping[str, Any] | None, max_pixels: int) -> tuple[bytes | Wrong | None, str | None]:
    if image is None:
        return None, None
    made = spark_png(image, max_pixels)
    return Wrong(made) if isinstance(made, str) else made, image.get("origin") or None


def _nested(batch: pa.RecordBatch, column: str) -> pa.Array:
    """A column, or the one at the end of a path through structs; null where one of these is."""
    if column in batch.schema.names:
        return batch.column(column)
    first, *rest = column.split(".")
    values = batch.column(first)
    for name in rest:
        values = pc.struct_field(values, name)
    return values


def _raise_if_disk_failed(error: BaseException) -> None:
    """Arrow reports damaged files as OSError too, but without a number."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error
