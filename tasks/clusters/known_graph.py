"""The k-NN graph as a run has left it: read back, and extended to tonight's pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import NEIGHBORS
from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.arrays import Int64Array, row_blocks
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph
from windrow.tasks.algorithms.neighbors.extended_neighbors import extend_graph
from windrow.tasks.storage.files.kept_reading import KeptReading
from windrow.tasks.storage.files.parquet import vectors_to_array
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.outputs import MANIFEST, Output, open_output
from windrow.tasks.storage.store.pool import Pool, read_pool
from windrow.tasks.storage.store.run_records import latest_run


@dataclass(frozen=True)
class GraphBefore:
    """An output of the stage neighbors, and the features that it was made of; paths relative to the store."""

    neighbors: str
    features: tuple[str, ...]


def graph_before(store: Path, name: str) -> GraphBefore | None:
    """The graph of the last finished run of the curated set `name`, if all of it is still there."""
    run = latest_run(store, name)
    features, neighbors = (run.stage(stage) for stage in (Stage.FEATURES, Stage.NEIGHBORS)) if run else (None, None)
    if features is None or neighbors is None:
        return None
    if not all((store / path / MANIFEST).exists() for path in (*features.outputs, *neighbors.outputs)):
        return None
    return GraphBefore(neighbors.outputs[0], features.outputs)


def extended_graph(
    store: Path, before: GraphBefore, features: Sequence[str], pool: Pool, k: int, most_searched: int
) -> NeighborGraph | None:
    """The k-NN graph of a pool, which is of `features`; what of it was in the earlier one, with the same embedding, is
    not searched.

    None where more than `most_searched` rows are new or have lost a neighbour.
    """
    known = open_output(store / before.neighbors)
    if before.features and tuple(features[: len(before.features)]) == before.features:
        # Of a sample that lies in several outputs the first counts: it is the same one.
        sample_ids = whole(known.read(NEIGHBORS, ["sample_id"])["sample_id"])
        return extend_graph(pool.embeddings, k, read_graph(known), _rows_of(sample_ids, pool), most_searched)
    earlier = read_pool([open_output(store / path) for path in before.features])
    if len(earlier.sample_ids) == 0 or earlier.embeddings.shape[1] != pool.embeddings.shape[1]:
        return None
    return extend_graph(pool.embeddings, k, read_graph(known), places(earlier, pool), most_searched)


def _rows_of(sample_ids: pa.Array, pool: Pool) -> Int64Array:
    return np.asarray(pc.fill_null(pc.index_in(sample_ids, pool.sample_ids), -1), np.int64).copy()


def places(earlier: Pool, pool: Pool) -> Int64Array:
    """The row in a pool of each sample of an earlier one, int64 (m,), -1 where it is gone or its embedding is not the
    same to the bit.
    """
    place = _rows_of(earlier.sample_ids, pool)
    there = np.flatnonzero(place >= 0)
    bits = np.uint64 if earlier.embeddings.shape[1] % 4 == 0 else np.uint16
    for rows in (there[block] for block in row_blocks(len(there))):
        same = earlier.embeddings[rows].view(bits) == pool.embeddings[place[rows]].view(bits)
        place[rows[~same.all(axis=1)]] = -1
    return place


def compared_all(output: Output) -> bool:
    """Whether every two samples were compared."""
    return "recall_per_mille" not in output.counts


_kept = KeptReading[NeighborGraph]()


def read_graph(output: Output) -> NeighborGraph:
    """Read the k-NN graph back from an output of the stage neighbors; its arrays are not to be written to."""
    return _kept.of(
        [output.table_path(NEIGHBORS)],
        lambda: _read(output),
        lambda graph: graph.indices.nbytes + graph.similarity.nbytes,
    )


def _read(output: Output) -> NeighborGraph:
    table = output.read(NEIGHBORS, ["neighbors", "similarity"])
    arrays = [vectors_to_array(table[name]) for name in ("neighbors", "similarity")]
    for array in arrays:
        array.flags.writeable = False
    return NeighborGraph(*arrays)


def exact_graph(output: Output) -> NeighborGraph | None:
    """The same, None of a graph that is approximate."""
    return read_graph(output) if compared_all(output) else None
