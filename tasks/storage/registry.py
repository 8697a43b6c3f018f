"""The registry: `sample_id` → `sample_index`, dense, append-only, never reused.

Each file `registry/<first index, 12 digits>.parquet` holds the ids that one run added, in order of `sample_id`. A file
is published by a hard link that fails if the name exists, so of two runs that add at once one is first and the other
reads what the first added and tries again. Each file carries a seal (see `seals`), as no manifest holds its digest.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import REGISTRY
from windrow.tasks.storage.outputs import flush_to_disk, temporary_directory
from windrow.tasks.storage.parquet import read_table, write_table
from windrow.tasks.storage.seals import EMPTY_SEAL, seal_file


def registry_files(store: Path) -> list[Path]:
    """Return the registry's files, in the order of their indices."""
    return sorted((store / "registry").glob("[0-9]*.parquet"))


def register_samples(store: Path, sample_ids: pa.Array) -> int:
    """Give every new id an index, new ids in order of `sample_id`; return how many were new."""
    folder = store / "registry"
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        known = read_table(REGISTRY, registry_files(store))
        wanted = pc.unique(sample_ids).cast(pa.string())
        new = pc.filter(wanted, pc.invert(pc.is_in(wanted, known["sample_id"].combine_chunks())))
        if len(new) == 0 or _publish(folder, new.take(pc.sort_indices(new)), known.num_rows):
            return len(new)


def _publish(folder: Path, sample_ids: pa.Array, first: int) -> bool:
    indices = np.arange(first, first + len(sample_ids))
    with temporary_directory(folder) as temporary:
        file = temporary / "new.parquet"
        table = REGISTRY.build({"sample_id": sample_ids, "sample_index": indices})
        write_table(REGISTRY, table.replace_schema_metadata({**table.schema.metadata, **EMPTY_SEAL}), file)
        seal_file(file)
        flush_to_disk(file)
        try:
            (folder / f"{first:012d}.parquet").hardlink_to(file)
        except FileExistsError:
            return False
    flush_to_disk(folder)
    return True
