"""The pool's embeddings as arrays, in the order of `sample_id`, whatever the shards were.

Where they are large they lie in a file, which the array is a map of: the machine takes the memory back whenever it
wants it for something else, and the file goes with the array.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import EMBEDDINGS
from windrow.tasks.storage.files.kept_reading import KeptReading
from windrow.tasks.storage.files.parquet import read_table, vectors_to_array
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.files.whole_or_absent import temporary_directory
from windrow.tasks.storage.memory_budget import memory_budget
from windrow.tasks.storage.store.outputs import Output
from windrow.tasks.storage.store.pool_file import pool_shape, write_pool

MAPPED = 8
"""Embeddings that take more than one part in so many of what this process may take lie in a file."""


@dataclass(frozen=True)
class Pool:
    """Every embedded sample once: `sample_ids` ascending, `embeddings` float16 (n, dim) in the same order."""

    sample_ids: pa.Array
    embeddings: npt.NDArray[np.float16]


_kept = KeptReading[Pool]()


def read_pool(features: Sequence[Output]) -> Pool:
    """Gather the embeddings of feature outputs; a sample that lies in several shards counts once.

    The array is not to be written to: who reads the same files next may get it, too. Where it would take more than
    1 / MAPPED of `memory_budget` it is a map of a file of its own, which takes 2 bytes a number of disk beside the
    features (where nobody may write there, in the system's folder for such files) for as long as the array lives, and
    as much again while it is written.
    """
    paths = [output.table_path(EMBEDDINGS) for output in features]
    n, dim = pool_shape(features)
    if is_mapped(2 * n * dim):
        return _mapped(features)
    return _kept.of(paths, lambda: _read(paths), lambda pool: pool.embeddings.nbytes + pool.sample_ids.nbytes)


def is_mapped(n_bytes: int) -> bool:
    """Whether embeddings that take so much lie in a file."""
    return n_bytes > memory_budget() // MAPPED


def _mapped(features: Sequence[Output]) -> Pool:
    beside = features[0].path.parent
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_directory(beside if os.access(beside, os.W_OK) else _elsewhere()))
        file = write_pool(features, folder, unit=False, memory=memory_budget() // MAPPED)
        ids, shape = file.all_ids(), file.vectors.shape
        if not len(ids):  # all have an error instead, and nothing cannot be mapped
            return Pool(ids, file.vectors[:])
        file.ids.unlink()
        with file.vectors.path.open("rb") as vectors:
            found = mmap.mmap(vectors.fileno(), 0, access=mmap.ACCESS_READ)
        # Until then the folder is locked: nobody takes it for what a killed process left.
        weakref.finalize(found, stack.pop_all().close)
    return Pool(ids, np.frombuffer(found, np.float16).reshape(shape))


def _elsewhere() -> Path:
    """A folder of our own: what lies there and nobody holds is swept."""
    folder = Path(tempfile.gettempdir()) / f"windrow-pools-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _read(paths: Sequence[Path]) -> Pool:
    table = read_table(EMBEDDINGS, paths, ["sample_id", "embedding"])
    table = table.filter(pc.is_valid(table["embedding"]))
    ids = whole(table["sample_id"])
    order = pc.sort_indices(ids)
    ids = ids.take(order)
    first = np.ones(len(ids), bool)
    if len(ids) > 1:
        first[1:] = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    embeddings = vectors_to_array(table["embedding"])[np.asarray(order)[first]]
    embeddings.flags.writeable = False
    return Pool(ids.filter(pa.array(first)), embeddings)
