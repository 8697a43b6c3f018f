"""Write and read declared tables as Parquet."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from windrow.schemas import Table
from windrow.tasks.storage.files.whole_columns import whole

ROWS_PER_GROUP = 8192
GROUPS_AT_ONCE = 32  # of which the texts in a column of lists may take 2 GiB
FALSE_POSITIVES = 0.01  # of a Bloom filter


def write_table(declared: Table, table: pa.Table, path: Path) -> None:
    """Validate `table` and write it.

    Raises ValueError naming the table, the column and what came when `table` is not as declared.
    """
    with writing_table(declared, path, table.schema) as add:
        add(table)


@contextmanager
def writing_table(
    declared: Table, path: Path, schema: pa.Schema, rows_per_group: int = ROWS_PER_GROUP, indexed: Sequence[str] = ()
) -> Iterator[Callable[[pa.Table], None]]:
    """Write a table part by part: yields a function that validates a part and adds it.

    `schema` says how long the vectors are. A vector is stored plain: dictionaries cost time and save nothing there.
    Rows are kept in groups: parts of whole groups make the same file as one part. The primary key is looked at within
    each part only. `indexed` columns have a Bloom filter in each group: a row is found by such a value without reading
    the others.
    """
    names = [column.name for column in declared.columns]
    vectors = {column.name for column in declared.columns if column.vector}
    bloom = {name: {"ndv": rows_per_group, "fpp": FALSE_POSITIVES} for name in indexed}
    with pq.ParquetWriter(
        path,
        pa.schema([schema.field(name) for name in names if name in schema.names], schema.metadata),
        compression="zstd",
        use_dictionary=[name for name in names if name not in vectors],
        write_page_checksum=True,
        bloom_filter_options=bloom or None,
    ) as file:

        def add(part: pa.Table) -> None:
            file.write_table(declared.validate(part).select(names), row_group_size=rows_per_group)

        yield add


def read_table(declared: Table, paths: Iterable[Path], columns: Sequence[str] | None = None) -> pa.Table:
    """Read files of a declared table, one after the other; an empty table when there is none."""
    names = list(columns) if columns is not None else [column.name for column in declared.columns]
    tables = [table for path in paths if (table := _read(path, names)).num_rows]
    return pa.concat_tables(tables) if tables else pa.Table.from_batches([], declared.schema()).select(names)


def _read(path: Path, names: list[str]) -> pa.Table:
    with naming(path), pq.ParquetFile(path, page_checksum_verification=True) as file:  # pq.read_table imports pandas
        if file.num_row_groups <= GROUPS_AT_ONCE:
            return file.read(columns=names).select(names)
        starts = range(0, file.num_row_groups, GROUPS_AT_ONCE)
        groups = [range(at, min(at + GROUPS_AT_ONCE, file.num_row_groups)) for at in starts]
        return pa.concat_tables([file.read_row_groups(list(some), columns=names).select(names) for some in groups])


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error over what a file holds, raised in the block, name the file; an I/O error stays one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            text = f"{path} cannot be read: {_first_line(error)}"
            raise OSError(*([error.errno, text] if error.errno else [text])) from error
        raise
    except (pa.ArrowException, KeyError, EOFError) as error:
        raise ValueError(f"{path} is damaged: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), repr(error))


def first_damaged(paths: Iterable[Path]) -> str | None:
    """Return what is wrong with the first of these files that cannot be read through; None when all can."""
    for path in paths:
        try:
            with naming(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):
                    file.read_row_group(group)
        except (OSError, ValueError) as error:
            return str(error)
    return None


def vectors_to_array(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of fixed-size lists without nulls as an array (n, dim), without a copy where it has one chunk."""
    lists = whole(column)
    if len(lists) == 0:
        return np.empty((0, getattr(column.type, "list_size", 0)), column.type.value_type.to_pandas_dtype())
    return np.asarray(lists.flatten().to_numpy(zero_copy_only=False)).reshape(len(lists), -1)


def array_to_vectors(array: np.ndarray) -> pa.Array:
    """Return an array (n, dim) as a column of fixed-size lists."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(array).reshape(-1)), array.shape[1])
