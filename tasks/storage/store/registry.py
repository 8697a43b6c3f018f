"""The registry: `sample_id` → `sample_index`, dense, append-only, never reused.

Each file `registry/<first index, 12 digits>.parquet` holds the ids that one run added, in order of `sample_id`. A file
is published by a hard link that fails if the name exists, so of two runs that add at once one is first and the other
reads what the first added and tries again. A folder's listing may miss a file that another run adds meanwhile, and show
one that came after it: the names tell, and it is listed again.

A forgotten sample keeps its place and loses its id, so that no index is ever given twice. Each file carries a
seal (see `seals`), as no manifest holds its digest.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windrow.schemas import REGISTRY, SAMPLES, Table
from windrow.tasks.storage.files.left_out import leave_out
from windrow.tasks.storage.files.parquet import naming, read_table, write_table
from windrow.tasks.storage.files.seals import EMPTY_SEAL, seal_file
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.files.whole_or_absent import flush_to_disk, sweep, temporary_directory
from windrow.tasks.storage.store.outputs import open_output

LISTINGS = 5
_NUMBERED = re.compile(r"\d{12}\.parquet")
FORGOTTEN_ID = "forgotten-"  # and the index: what stands in the place of the id of a forgotten sample


def registry_files(store: Path) -> list[Path]:
    """Return the registry's files, in the order of their indices."""
    return numbered_files(store / "registry")


def numbered_files(folder: Path) -> list[Path]:
    """Return the files of an append-only table, in the order in which they were added."""
    files = sorted(folder.glob("[0-9]*.parquet"))
    for path in files:
        if not _NUMBERED.fullmatch(path.name):
            leave_out(path, "is no file of this table")
    return [path for path in files if _NUMBERED.fullmatch(path.name)]


def register_samples(store: Path, sample_ids: pa.Array) -> int:
    """Give every new id an index, new ids in order of `sample_id`; return how many were new.

    Raises ValueError when a file of the registry is missing: its indices must not be given to others.
    """
    folder = store / "registry"
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    while True:
        known = _read_registry(store)
        wanted = pc.unique(whole(sample_ids))
        new = pc.filter(wanted, pc.invert(pc.is_in(wanted, whole(known["sample_id"]))))
        indices = np.arange(known.num_rows, known.num_rows + len(new))
        rows = {"sample_id": new.take(pc.sort_indices(new)), "sample_index": indices}
        if len(new) == 0 or append_rows(REGISTRY, REGISTRY.build(rows), folder, known.num_rows):
            return len(new)


def register_shards(store: Path, ingested: Sequence[str]) -> None:
    """Register the samples of ingested shards (outputs, paths relative to the store).

    A shard that was found done may be new to a registry that was cut short.
    """
    files = [open_output(store / path).table_path(SAMPLES) for path in ingested]
    register_samples(store, whole(read_table(SAMPLES, files, ["sample_id"])["sample_id"]))


def _read_registry(store: Path) -> pa.Table:
    for _ in range(LISTINGS):
        files = registry_files(store)
        ends = np.cumsum([_n_rows(file) for file in files], dtype=np.int64)
        missing = [end for end, file in zip([0, *ends], files, strict=False) if int(file.stem) != end]
        if not missing:
            return read_table(REGISTRY, files)
    raise ValueError(f"{store / 'registry'}: the file that starts with index {missing[0]} is missing")


def _n_rows(path: Path) -> int:
    with naming(path):
        return int(pq.read_metadata(path).num_rows)


def append_rows(declared: Table, rows: pa.Table, folder: Path, first: int) -> bool:
    """Add rows to an append-only table, as the file named by how many there are before; False where another did."""
    with _written(declared, rows, folder) as file:
        try:
            (folder / f"{first:012d}.parquet").hardlink_to(file)
        except FileExistsError:
            return False
    flush_to_disk(folder)
    return True


def sample_indices(store: Path, sample_ids: Collection[str]) -> dict[str, int]:
    """Return the index of each of these samples that has one."""
    table = read_table(REGISTRY, registry_files(store))
    known = table.filter(pc.is_in(table["sample_id"], pa.array(list(sample_ids), pa.string())))
    return dict(zip(known["sample_id"].to_pylist(), known["sample_index"].to_pylist(), strict=True))


def known_samples(store: Path, sample_ids: Collection[str]) -> set[str]:
    """Return those of a few samples that have an index; of each file only the groups are read in which they may be."""
    wanted, found = sorted(sample_ids), set[str]()
    for path in registry_files(store):
        with naming(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
            at = file.schema_arrow.get_field_index("sample_id")
            ends = [file.metadata.row_group(n).column(at).statistics for n in range(file.num_row_groups)]
            groups = [n for n, each in enumerate(ends) if any(each.min <= one <= each.max for one in wanted)]
            ids = file.read_row_groups(groups, columns=["sample_id"])["sample_id"]
        found |= set(ids.filter(pc.is_in(ids, pa.array(wanted, pa.string()))).to_pylist())
    return found


def drop_ids(store: Path, sample_ids: Collection[str]) -> None:
    """Take ids out of the registry; their indices stay taken. Wants that nobody registers samples meanwhile."""
    for path in registry_files(store):
        table = read_table(REGISTRY, [path])
        gone = pc.is_in(table["sample_id"], pa.array(list(sample_ids), pa.string()))
        if pc.any(gone).as_py():
            names = pa.array([f"{FORGOTTEN_ID}{index:012d}" for index in table["sample_index"].to_pylist()])
            left = table.set_column(0, table.schema.field(0), pc.if_else(gone, names, table["sample_id"]))
            rewrite_rows(REGISTRY, left, path)


def rewrite_rows(declared: Table, rows: pa.Table, path: Path) -> None:
    """Write a file of an append-only table anew, in its place."""
    with _written(declared, rows, path.parent) as file:
        file.replace(path)
    flush_to_disk(path.parent)


@contextmanager
def _written(declared: Table, rows: pa.Table, folder: Path) -> Iterator[Path]:
    with temporary_directory(folder) as temporary:
        file = temporary / "new.parquet"
        write_table(declared, rows.replace_schema_metadata({**rows.schema.metadata, **EMPTY_SEAL}), file)
        seal_file(file)
        flush_to_disk(file)
        yield file
