"""The registry: `sample_id` → `sample_index`, dense, append-only, never reused.

Each file `registry/<first index, 12 digits>.parquet` holds the ids that one run added, in order of `sample_id`. A file
is published by a hard link that fails if the name exists, so of two runs that add at once one is first and the other
reads what the first added and tries again. A folder's listing may miss a file that another run adds meanwhile, and show
one that came after it: the names tell, and it is listed again.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windrow.schemas import REGISTRY
from windrow.tasks.storage.outputs import flush_to_disk, sweep, temporary_directory
from windrow.tasks.storage.parquet import read_table, write_table

LISTINGS = 5


def registry_files(store: Path) -> list[Path]:
    """Return the registry's files, in the order of their indices."""
    return sorted((store / "registry").glob("[0-9]*.parquet"))


def register_samples(store: Path, sample_ids: pa.Array) -> int:
    """Give every new id an index, new ids in order of `sample_id`; return how many were new.

    Raises ValueError when a file of the registry is missing: its indices must not be given to others.
    """
    folder = store / "registry"
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    while True:
        known = _read_registry(store)
        wanted = pc.unique(sample_ids).cast(pa.string())
        new = pc.filter(wanted, pc.invert(pc.is_in(wanted, known["sample_id"].combine_chunks())))
        if len(new) == 0 or _publish(folder, new.take(pc.sort_indices(new)), known.num_rows):
            return len(new)


def _read_registry(store: Path) -> pa.Table:
    for _ in range(LISTINGS):
        files = registry_files(store)
        ends = np.cumsum([pq.read_metadata(file).num_rows for file in files], dtype=np.int64)
        missing = [end for end, file in zip([0, *ends], files, strict=False) if int(file.stem) != end]
        if not missing:
            return read_table(REGISTRY, files)
    raise ValueError(f"{store / 'registry'}: the file that starts with index {missing[0]} is missing")


def _publish(folder: Path, sample_ids: pa.Array, first: int) -> bool:
    indices = np.arange(first, first + len(sample_ids))
    with temporary_directory(folder) as temporary:
        file = temporary / "new.parquet"
        write_table(REGISTRY, REGISTRY.build({"sample_id": sample_ids, "sample_index": indices}), file)
        flush_to_disk(file)
        try:
            (folder / f"{first:012d}.parquet").hardlink_to(file)
        except FileExistsError:
            return False
    flush_to_disk(folder)
    return True
