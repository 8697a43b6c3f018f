"""Neighbors: the k-NN graph of the pool, and the scores that it gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from windrow.schemas import NEIGHBORS, SCORES
from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.neighbors.approximate_neighbors import approximate_neighbor_graph, sampled_recall
from windrow.tasks.algorithms.neighbors.coarse_groups import coarse_groups
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph, tile_rows
from windrow.tasks.algorithms.neighbors.foreign_groups import foreign_score
from windrow.tasks.algorithms.neighbors.outliers import knn_outlier_score, off_topic_score
from windrow.tasks.clusters.graph_blocks import GraphSearch, check_size, gathered, learn_cells_once, write_pool_once
from windrow.tasks.clusters.known_graph import GraphBefore, compared_all, extended_graph
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.storage.files.parquet import array_to_vectors
from windrow.tasks.storage.memory_budget import memory_budget
from windrow.tasks.storage.store.outputs import (
    MANIFEST,
    Done,
    Output,
    OutputWriter,
    content_fingerprint,
    make_output,
    open_output,
    place_of,
)
from windrow.tasks.storage.store.pool import Pool, read_pool
from windrow.tasks.storage.store.pool_file import pool_shape

VERSION = 3
# On two quiet cores exact search of 100,000 samples of 128 dimensions takes 17 s, of 500,000 427 s, and approximately
# 10 and 95 s (docs/evidence/label-scale.md); with more dimensions, or other work beside, it is minutes.
MOST_EXACT = 100_000
MOST_SEARCHED = 0.25
"""Of the rows of a pool that gets an exact graph: where more are new, all are searched."""
MOST_HERE = 2**38
"""Rows x rows x dimensions of a pool whose graph is one piece of work, done here: for less a worker need not start."""
MOST_PER_ROOT = 16
"""Rows, times the root of their number, that each row of an approximate graph is compared with: where more than so many
are new, to compare these with all costs more than to make the graph anew."""


class _LargeError(Exception):
    """A graph is to be made anew and worth being searched in blocks; `inputs` are those of its output."""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        super().__init__()
        self.inputs = inputs


def find_neighbors(
    store: Path,
    features: Sequence[str],
    config: NeighborsConfig,
    before: GraphBefore | None = None,
    most_here: float = math.inf,
) -> Done:
    """Write NEIGHBORS and SCORES of the pool, in the order of `sample_id`.

    before: an earlier graph, which is extended in the time of what is new. Up to MOST_EXACT samples that gives the
    bytes of a graph made anew. Beyond, an exact graph stays exact, and what an approximate one missed among the samples
    of then stays missed, so that the answer depends on the graph that it goes back to. most_here: rows x rows x
    dimensions beyond which a graph is not made anew here (`begin_neighbors`).

    The counts are n_samples and, of an approximate graph, recall_per_mille: how many of 1,000 true neighbours it has.
    """
    outputs = [open_output(store / path) for path in features]
    inputs = {"embeddings": content_fingerprint(outputs), "k": config.k, "method": config.method}
    before = before if before is not None and _is_ours(store, before) else None
    if before is not None and not is_exact(sum(output.counts["n_samples"] for output in outputs), config):
        known = open_output(store / before.neighbors)
        if all(known.inputs[name] == value for name, value in inputs.items()):
            return Done(before.neighbors, True, known.counts)
        inputs["earlier"] = before.neighbors

    def write(writer: OutputWriter) -> None:
        is_large = _compared(outputs) > most_here
        if is_large and before is None:
            raise _LargeError(inputs)
        pool = read_pool(outputs)
        check_size(len(pool.sample_ids))
        extended = _extended(store, before, features, pool, config)
        if is_large and extended is None:
            raise _LargeError(inputs)
        _write(writer, pool, *(extended or graph_of(pool.embeddings, config)))

    return make_output(store, Stage.NEIGHBORS, VERSION, inputs, write)


def begin_neighbors(
    store: Path, features: Sequence[str], config: NeighborsConfig, before: GraphBefore | None = None
) -> Done | GraphSearch:
    """What `find_neighbors` makes; of a large pool whose graph is made anew only what its search begins with.

    `search_blocks` does that search, in pieces, and `end_neighbors` writes the same bytes that `find_neighbors` does.
    Memory: a part of `memory_budget`; where cells are learnt 4 n d bytes more, for Faiss's copy.
    """
    try:
        return find_neighbors(store, features, config, before, MOST_HERE)
    except _LargeError as large:
        inputs = large.inputs
    path = place_of(store, Stage.NEIGHBORS, VERSION, inputs).relative_to(store)

    def begin() -> Done | GraphSearch:
        if done := _published(store, str(path)):
            return done
        n, dim = write_pool_once(store / path, [open_output(store / each) for each in features]).vectors.shape
        what = GraphSearch(str(path), inputs, n, dim, min(config.k, n - 1), is_exact(n, config))
        learn_cells_once(store, what)
        return what

    return _unless_published(store, str(path), begin)


def end_neighbors(store: Path, what: GraphSearch) -> Done:
    """Write NEIGHBORS and SCORES of a pool whose blocks are searched."""

    def write(writer: OutputWriter) -> None:
        _write(writer, *gathered(store, what))

    def end() -> Done:
        return make_output(store, Stage.NEIGHBORS, VERSION, what.inputs, write)

    return _unless_published(store, what.output, end)


Result = TypeVar("Result")


def _unless_published(store: Path, path: str, do: Callable[[], Result]) -> Result | Done:
    """Do what needs the work folder; where another run has published the output, and taken the folder away, find it."""
    try:
        return do()
    except OSError:
        if done := _published(store, path):
            return done
        raise


def _published(store: Path, path: str) -> Done | None:
    there = (store / path / MANIFEST).exists()
    return Done(path, True, open_output(store / path).counts) if there else None


def _compared(features: Sequence[Output]) -> int:
    """Rows x rows x dimensions of a pool."""
    n, dim = pool_shape(features)
    return n * n * dim


def _write(writer: OutputWriter, pool: Pool, graph: NeighborGraph, recall: float | None) -> None:
    neighbors = {
        "sample_id": pool.sample_ids,
        "position": np.arange(len(pool.sample_ids)),
        "neighbors": array_to_vectors(graph.indices),
        "similarity": array_to_vectors(graph.similarity),
    }
    coarse = coarse_groups(pool.embeddings)
    unknown = pa.nulls(len(pool.sample_ids), pa.float32())
    scores = {
        "sample_id": pool.sample_ids,
        "nearest_similarity": pa.array(graph.similarity[:, 0]),
        "outlier_score": pa.array(knn_outlier_score(graph)),
        "off_topic_score": pa.array(off_topic_score(coarse)) if coarse else unknown,
        "foreign_score": pa.array(foreign_score(coarse)) if coarse else unknown,
    }
    writer.write(NEIGHBORS, NEIGHBORS.build(neighbors, dim=graph.indices.shape[1]))
    writer.write(SCORES, SCORES.build(scores))
    writer.counts.update(n_samples=len(pool.sample_ids))
    if recall is not None:
        writer.counts.update(recall_per_mille=round(1000 * recall))


def _extended(
    store: Path, before: GraphBefore | None, features: Sequence[str], pool: Pool, config: NeighborsConfig
) -> tuple[NeighborGraph, float | None] | None:
    """The earlier graph for tonight's pool, and its recall unless it is exact; None where it cannot or need not be."""
    n, wants_exact = len(pool.sample_ids), is_exact(len(pool.sample_ids), config)
    was_exact = before is not None and compared_all(open_output(store / before.neighbors))
    if before is None or (wants_exact and not was_exact):
        return None
    most = MOST_SEARCHED * n if wants_exact else MOST_PER_ROOT * n**0.5
    graph = extended_graph(store, before, features, pool, min(config.k, n - 1), int(most))
    if graph is None:
        return None
    return graph, None if was_exact else sampled_recall(graph, pool.embeddings)


def graph_of(embeddings: npt.NDArray[Any], config: NeighborsConfig) -> tuple[NeighborGraph, float | None]:
    """Return the k-NN graph, and its recall unless every two samples were compared."""
    k = min(config.k, len(embeddings) - 1)
    if is_exact(len(embeddings), config):
        return neighbor_graph(embeddings, k, tile=tile_rows(embeddings.shape[1], memory_budget())), None
    found = approximate_neighbor_graph(embeddings, k)
    return found.graph, found.recall


def is_exact(n: int, config: NeighborsConfig) -> bool:
    """Say whether every two of n samples are compared."""
    return config.method == "exact" or (config.method == "auto" and n <= MOST_EXACT)


def _is_ours(store: Path, before: GraphBefore) -> bool:
    """Whether this version of the code made the graph."""
    return bool(open_output(store / before.neighbors).inputs["version"] == VERSION)
