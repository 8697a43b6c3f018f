"""The pool's embeddings as arrays, in the order of `sample_id`, whatever the shards were.

Where they are large they lie in a file without a name, which the array is a map of: the machine takes its memory back
whenever it wants it for something else, and the file is gone with the array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import EMBEDDINGS
from windrow.tasks.storage.files.parquet import read_table, vectors_to_array
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.files.whole_or_absent import temporary_directory
from windrow.tasks.storage.memory_budget import memory_budget
from windrow.tasks.storage.store.outputs import Output
from windrow.tasks.storage.store.pool_file import pool_shape, write_pool


@dataclass(frozen=True)
class Pool:
    """Every embedded sample once: `sample_ids` ascending, `embeddings` float16 (n, dim) in the same order."""

    sample_ids: pa.Array
    embeddings: npt.NDArray[np.float16]


KEPT = 16
"""The pool that was read last stays for the next who wants it, where it takes less than one part in so many of what
this process may take, or lies in a file: a night reads the same files eight times, each as long as two searches among
them."""
MAPPED = 8
"""Embeddings that take more than one part in so many of what this process may take lie in a file."""

_last: tuple[list[tuple[Path, int, int, int]], Pool] | None = None


def read_pool(features: Sequence[Output]) -> Pool:
    """Gather the embeddings of feature outputs; a sample that lies in several shards counts once.

    The array is not to be written to: who reads the same files next may get it, too. It is a file's where it takes more
    than 1 / MAPPED of `memory_budget`, and `sample_ids`, 40 bytes each, are what is held of the pool.
    """
    global _last
    paths = [output.table_path(EMBEDDINGS) for output in features]
    files = [(path, found.st_ino, found.st_mtime_ns, found.st_size) for path in paths for found in [path.stat()]]
    last = _last  # read once: another thread may let go of it
    if last is not None and last[0] == files:
        return last[1]
    last = _last = None
    n, dim = pool_shape(features)
    in_file = is_mapped(2 * n * dim)
    pool = _mapped(features) if in_file else _read(paths)
    pool.embeddings.flags.writeable = False
    if in_file or pool.embeddings.nbytes + pool.sample_ids.nbytes <= memory_budget() // KEPT:
        _last = files, pool
    return pool


def is_mapped(n_bytes: int) -> bool:
    """Whether embeddings that take so much lie in a file."""
    return n_bytes > memory_budget() // MAPPED


def _mapped(features: Sequence[Output]) -> Pool:
    with temporary_directory(features[0].path.parent) as folder:
        file = write_pool(features, folder, unit=False, memory=memory_budget() // MAPPED)
        if not len(file.vectors):  # all have an error instead, and nothing cannot be mapped
            return Pool(file.all_ids(), file.vectors[:])
        vectors = np.memmap(file.vectors.path, file.vectors.stored, "r", shape=file.vectors.shape)
        return Pool(file.all_ids(), np.asarray(vectors))


def _read(paths: Sequence[Path]) -> Pool:
    table = read_table(EMBEDDINGS, paths, ["sample_id", "embedding"])
    table = table.filter(pc.is_valid(table["embedding"]))
    ids = whole(table["sample_id"])
    order = pc.sort_indices(ids)
    ids = ids.take(order)
    first = np.ones(len(ids), bool)
    if len(ids) > 1:
        first[1:] = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    return Pool(ids.filter(pa.array(first)), vectors_to_array(table["embedding"])[np.asarray(order)[first]])
