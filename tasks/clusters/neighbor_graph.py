"""Neighbors: the k-NN graph of the pool, and the scores that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
from windrow.tasks.clusters.known_graph import GraphBefore, compared_all, extended_graph
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.storage.files.parquet import array_to_vectors
from windrow.tasks.storage.memory_budget import memory_budget
from windrow.tasks.storage.store.outputs import Done, OutputWriter, content_fingerprint, make_output, open_output
from windrow.tasks.storage.store.pool import Pool, read_pool

VERSION = 3
# On two quiet cores exact search of 100,000 samples of 128 dimensions takes 17 s, of 500,000 427 s, and approximately
# 10 and 95 s (docs/evidence/label-scale.md); with more dimensions, or other work beside, it is minutes.
MOST_EXACT = 100_000
MOST_SEARCHED = 0.25
"""Of the rows of a pool that gets an exact graph: where more are new, all are searched."""
MOST_PER_ROOT = 16
"""Rows, times the root of their number, that each row of an approximate graph is compared with: where more than so many
are new, to compare these with all costs more than to make the graph anew."""


def find_neighbors(
    store: Path, features: Sequence[str], config: NeighborsConfig, before: GraphBefore | None = None
) -> Done:
    """Write NEIGHBORS and SCORES of the pool, in the order of `sample_id`.

    before: an earlier graph, which is extended in the time of what is new. Up to MOST_EXACT samples that gives the
    bytes of a graph made anew. Beyond, an exact graph stays exact, and what an approximate one missed among the samples
    of then stays missed, so that the answer depends on the graph that it goes back to.

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
        pool = read_pool(outputs)
        n = len(pool.sample_ids)
        if n < 2:
            raise ValueError(f"the pool has {n} samples with an embedding; a curated set needs at least 2")
        graph, recall = _extended(store, before, features, pool, config) or graph_of(pool.embeddings, config)
        neighbors = {
            "sample_id": pool.sample_ids,
            "position": np.arange(n),
            "neighbors": array_to_vectors(graph.indices),
            "similarity": array_to_vectors(graph.similarity),
        }
        coarse = coarse_groups(pool.embeddings)
        unknown = pa.nulls(n, pa.float32())
        scores = {
            "sample_id": pool.sample_ids,
            "nearest_similarity": pa.array(graph.similarity[:, 0]),
            "outlier_score": pa.array(knn_outlier_score(graph)),
            "off_topic_score": pa.array(off_topic_score(coarse)) if coarse else unknown,
            "foreign_score": pa.array(foreign_score(coarse)) if coarse else unknown,
        }
        writer.write(NEIGHBORS, NEIGHBORS.build(neighbors, dim=graph.indices.shape[1]))
        writer.write(SCORES, SCORES.build(scores))
        writer.counts.update(n_samples=n)
        if recall is not None:
            writer.counts.update(recall_per_mille=round(1000 * recall))

    return make_output(store, Stage.NEIGHBORS, VERSION, inputs, write)


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
