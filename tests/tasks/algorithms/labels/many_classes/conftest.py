"""A pool of more classes than predictions list, and what the dense methods make of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph

N, N_CLASSES, N_LISTED, N_LABELS = 600, 80, 32, 2


@dataclass(frozen=True)
class ManyClasses:
    """Eighty classes, mixed a little, with two labels each."""

    embeddings: Float32Array
    truth: Int64Array
    labels: Int64Array
    graph: NeighborGraph

    @cached_property
    def pool(self) -> LabelPool:
        return LabelPool(self.embeddings, N_CLASSES, self.graph, n_listed=N_LISTED)


@pytest.fixture(scope="session")
def many() -> ManyClasses:
    rng = np.random.default_rng(0)
    others = rng.integers(N_CLASSES, size=N - N_LABELS * N_CLASSES)
    truth = np.concatenate([np.repeat(np.arange(N_CLASSES), N_LABELS), others])
    centres = rng.standard_normal((N_CLASSES, 32))
    points = (1.1 * centres[truth] + rng.standard_normal((N, 32))).astype(np.float32)
    labels = np.where(np.arange(N) < N_LABELS * N_CLASSES, truth, -1).astype(np.int64)
    return ManyClasses(points, truth, labels, neighbor_graph(points, 15))
