"""What a query for labels is given and returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.arrays import (
    Float32Array,
    Float64Array,
    Int64Array,
    check_embeddings,
    row_blocks,
    unit_rows,
)
from windrow.tasks.algorithms.clustering.kmeans import kmeans
from windrow.tasks.algorithms.labels.folds import check_pool

MOST_CLUSTERS = 500


@dataclass(frozen=True)
class Picks:
    """The samples to label, the most telling first.

    rows: int64 (m,), each once. score: float64 (m,), what they were picked by, as their query says. cluster_size: int64
    (m,), how many samples each stands for.
    """

    rows: Int64Array
    score: Float64Array
    cluster_size: Int64Array


@dataclass(frozen=True)
class LabelQuery(Settings, ABC):
    """Says which samples a person should label first: its fields are its settings.

    The picks depend on the embeddings in the order of their ids, the labels and the seed; those of fewer samples need
    not be the first of those of more, as there is a cluster for each.
    """

    def pick(self, embeddings: npt.NDArray[Any], labels: Int64Array, n: int, seed: int) -> Picks:
        """Pick n rows of embeddings (m, d) without a label, or all where there are fewer.

        labels: int64 (m,), classes from 0, -1 where there is none. Raises ValueError when embeddings are not finite
        (m, d), or labels are others than that.
        """
        check_embeddings("embeddings", embeddings)
        check_pool(embeddings, labels)
        if n < 1:
            raise ValueError(f"n: wants 1 or more, got {n}")
        n = min(n, int((labels < 0).sum()))
        if not n:
            return Picks(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
        return self._pick(unit_float32_rows(embeddings), labels, n, seed)

    @abstractmethod
    def _pick(self, units: Float32Array, labels: Int64Array, n: int, seed: int) -> Picks:
        """Pick n of the rows without a label; there are as many. `units` are the embeddings at length 1."""


def unit_float32_rows(embeddings: npt.NDArray[Any]) -> Float32Array:
    """Embeddings (n, d) at length 1."""
    units = np.empty(embeddings.shape, np.float32)
    for block in row_blocks(len(units)):
        units[block] = unit_rows(embeddings[block])[0]
    return units


def clusters_of(units: Float32Array, n_clusters: int, seed: int) -> Int64Array:
    """The k-means cluster (n,) of each row."""
    return kmeans(units, min(n_clusters, len(units)), seed=seed).assignment.astype(np.int64)
