"""The pool's embeddings as arrays, in the order of `sample_id`, whatever the shards were."""

from __future__ import annotations

from collections.abc import Sequence
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
from windrow.tasks.storage.store.outputs import Output


@dataclass(frozen=True)
class Pool:
    """Every embedded sample once: `sample_ids` ascending, `embeddings` float16 (n, dim) in the same order."""

    sample_ids: pa.Array
    embeddings: npt.NDArray[np.float16]


_kept = KeptReading[Pool]()


def read_pool(features: Sequence[Output]) -> Pool:
    """Gather the embeddings of feature outputs; a sample that lies in several shards counts once.

    The array is not to be written to: who reads the same files next may get it, too.
    """
    paths = [output.table_path(EMBEDDINGS) for output in features]
    return _kept.of(paths, lambda: _read(paths), lambda pool: pool.embeddings.nbytes + pool.sample_ids.nbytes)


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
