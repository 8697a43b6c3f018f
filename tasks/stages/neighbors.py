"""Neighbors: the k-NN graph of the pool, and the scores that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from windrow.schemas import NEIGHBORS, SCORES
from windrow.tasks.algorithms.neighbors import NeighborGraph, neighbor_graph
from windrow.tasks.algorithms.outliers import knn_outlier_score
from windrow.tasks.storage.outputs import Done, Output, OutputWriter, content_fingerprint, make_output, open_output
from windrow.tasks.storage.parquet import array_to_vectors, vectors_to_array
from windrow.tasks.storage.pool import read_pool

VERSION = 1


@dataclass(frozen=True)
class NeighborsConfig:
    """`k`: neighbours of each sample in the k-NN graph, by cosine similarity."""

    k: int = 20

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"neighbors.k: wants 1 or more, got {self.k}")


def find_neighbors(store: Path, features: Sequence[str], config: NeighborsConfig) -> Done:
    """Write NEIGHBORS and SCORES of the pool, in the order of `sample_id`."""
    outputs = [open_output(store / path) for path in features]

    def write(writer: OutputWriter) -> None:
        pool = read_pool(outputs)
        n = len(pool.sample_ids)
        if n < 2:
            raise ValueError(f"the pool has {n} samples with an embedding; a curated set needs at least 2")
        graph = neighbor_graph(pool.embeddings, min(config.k, n - 1))
        neighbors = {
            "sample_id": pool.sample_ids,
            "position": np.arange(n),
            "neighbors": array_to_vectors(graph.indices),
            "similarity": array_to_vectors(graph.similarity),
        }
        scores = {
            "sample_id": pool.sample_ids,
            "nearest_similarity": pa.array(graph.similarity[:, 0]),
            "outlier_score": pa.array(knn_outlier_score(graph)),
        }
        writer.write(NEIGHBORS, NEIGHBORS.build(neighbors, dim=graph.indices.shape[1]))
        writer.write(SCORES, SCORES.build(scores))
        writer.counts.update(n_samples=n)

    inputs = {"embeddings": content_fingerprint(outputs), "k": config.k}
    return make_output(store, "neighbors", VERSION, inputs, write)


def read_graph(output: Output) -> NeighborGraph:
    """Read the k-NN graph back from an output of this stage."""
    table = output.read(NEIGHBORS)
    return NeighborGraph(vectors_to_array(table["neighbors"]), vectors_to_array(table["similarity"]))
