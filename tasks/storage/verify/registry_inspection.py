"""Is the registry as it was written, dense, and without a sample that is there twice?"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from windrow.schemas import CORRECTIONS, REGISTRY
from windrow.tasks.storage.catalog.connections import open_connection
from windrow.tasks.storage.files.literal_paths import parquet_scan
from windrow.tasks.storage.files.seals import broken_seal
from windrow.tasks.storage.store.refused_samples import forgotten_files
from windrow.tasks.storage.store.registry import FORGOTTEN_ID, numbered_files, registry_files
from windrow.tasks.storage.verify.findings import LIMITS, UNFINISHED, Inspection


def inspect_registry(inspection: Inspection, store: Path) -> None:
    """Look at the files of the registry, and at the lists of what is forgotten and of what people said, kept likewise.

    The registry is whole, in order of `sample_id` (but for forgotten ones), with indices from 0 on without a gap.
    """
    files = registry_files(store)
    for path in sorted((store / "registry").iterdir()) if (store / "registry").is_dir() else ():
        if path not in files and not path.name.startswith(UNFINISHED):
            inspection.report(path, "does not belong here")
    first: int | None = 0
    for path in files:
        with inspection.reading(path):
            reason = broken_seal(path)
            inspection.saw(path)
            if reason is not None:
                inspection.report(path, reason)
                first = None  # how many indices it holds is not known
            else:
                first = _inspect_registry_file(inspection, path, first)
    for path in [*forgotten_files(store), *numbered_files(store / CORRECTIONS.name)]:
        with inspection.reading(path):
            reason = broken_seal(path)
            inspection.saw(path)
            if reason is not None:
                inspection.report(path, reason)
    if files and inspection.is_sound(store / "registry"):
        _inspect_keys(inspection, files)


def _inspect_registry_file(inspection: Inspection, path: Path, first: int | None) -> int:
    """Return the index that the next file starts with."""
    if first is not None and path.stem != f"{first:012d}":
        inspection.report(path, f"should start with index {first:,}, which comes after those of the files before it")
    last, expected = "", int(path.stem)
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches():
            ids, indices = batch.column("sample_id"), batch.column("sample_index").to_numpy()
            REGISTRY.validate(pa.Table.from_batches([batch]))
            if not np.array_equal(indices, np.arange(expected, expected + len(indices))):
                inspection.report(path, f"its indices are not {expected:,} and up, without a gap")
                break
            named = [name for name in ids.to_pylist() if not name.startswith(FORGOTTEN_ID)]
            expected, texts = expected + len(indices), [last, *named]
            if any(a >= b for a, b in pairwise(texts)):
                inspection.report(path, "its rows are not in order of sample_id, each once")
                break
            last = texts[-1]
            inspection.n_rows += len(indices)
    return expected


def _inspect_keys(inspection: Inspection, files: list[Path]) -> None:
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {parquet_scan(files)} GROUP BY sample_id HAVING count(*) > 1)"
    with inspection.reading(files[-1].parent), open_connection(files, limits=LIMITS) as connection:
        n = connection.execute(sql).fetchall()[0][0]
        if n:
            inspection.report(files[-1].parent, f"{n:,} samples have more than one index")
