"""What no rule of a pool drops, and which of it are near-duplicates: what is left to rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array
from windrow.tasks.algorithms.neighbors.deduplication import NearDuplicates
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph
from windrow.tasks.algorithms.neighbors.graph_duplicates import graph_duplicates
from windrow.tasks.algorithms.neighbors.pruned_duplicates import pruned_duplicates
from windrow.tasks.selection.selection_config import UNREADABLE, SelectionConfig
from windrow.tasks.selection.steering import Steering
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.pool import Pool


@dataclass(frozen=True)
class Contenders:
    """The rows of the pool that no rule drops, and which of them are near-duplicates.

    dropped_by: of each row of the pool the rule, None where there is none; rows: int64 (m,), those of none; in_pool:
    int64 (m,), where their embeddings are; duplicate_of: int64 (m,), of which of them each is one, -1 of none;
    n_compared: how many pairs of embeddings were compared to find that.
    """

    dropped_by: Sequence[str | None]
    rows: Int64Array
    in_pool: Int64Array
    duplicate_of: Int64Array
    similarity: Float32Array
    n_compared: int = 0

    @property
    def n_pairs(self) -> int:
        """How many pairs there are."""
        return len(self.rows) * (len(self.rows) - 1) // 2

    @property
    def ranked(self) -> Int64Array:
        """The rows that are left to rank."""
        return self.rows[self.duplicate_of < 0]


def contenders(
    rows: pa.Table,
    pool: Pool,
    broken: Sequence[str | None],
    config: SelectionConfig,
    threshold: float,
    graph: NeighborGraph | None = None,
    steered: Steering | None = None,
    far: BoolArray | None = None,
) -> Contenders:
    """Find what is left to rank; of `config` only what it says of near-duplicates counts.

    graph: the exact one of the pool, which saves comparing all pairs. far: bool, of `rows`, of which no two are
    near-duplicates, as is known.
    """
    embedded = pc.is_valid(rows["cluster_path"]).to_numpy()
    dropped_by = [UNREADABLE if not there else rule for there, rule in zip(embedded, broken, strict=True)]
    left = np.flatnonzero([rule is None for rule in dropped_by])
    in_pool = (np.cumsum(embedded) - 1)[left]
    facts = rows.take(pa.array(left))
    if not config.drop_near_duplicates or len(left) == 0:
        return Contenders(dropped_by, left, in_pool, np.full(len(left), -1), np.zeros(len(left), np.float32))
    by_hand = (steered or Steering.none(len(rows))).of_rows(left)
    by = _priority(facts, by_hand.keep), _partition(cluster_paths(facts["cluster_path"]), config)
    known = None if far is None else far[left]
    found = _near_duplicates(pool, in_pool, *by, threshold, graph, by_hand.apart, known)
    return Contenders(dropped_by, left, in_pool, found.duplicate_of, found.similarity, found.n_compared)


def cluster_paths(column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """The clusters of samples (n, n_levels), of a column of lists of one length."""
    lists = whole(column)
    n_levels = len(lists[0]) if len(lists) else 1
    return np.asarray(lists.flatten()).reshape(len(lists), n_levels)


def _priority(facts: pa.Table, keep: npt.NDArray[np.bool_]) -> Int64Array:
    """Of near-duplicates what somebody wants is kept, then a labelled one, the largest, the closest to its centroid."""
    order = np.lexsort(
        (
            facts["distance"].to_numpy(),
            -facts["n_pixels"].to_numpy(),
            ~facts["has_label"].to_numpy(zero_copy_only=False),
            ~keep,
        )
    )
    priority = np.empty(len(order), np.int64)
    priority[order] = np.arange(len(order))
    return priority


def _partition(paths: npt.NDArray[np.int32], config: SelectionConfig) -> Int64Array | None:
    level = min(config.near_duplicates_within, paths.shape[1])
    return paths[:, level - 1].astype(np.int64) if level else None


def _near_duplicates(
    pool: Pool,
    in_pool: Int64Array,
    priority: Int64Array,
    partition: Int64Array | None,
    threshold: float,
    graph: NeighborGraph | None,
    apart: Int64Array,
    far: BoolArray | None,
) -> NearDuplicates:
    if graph is None:
        embeddings = pool.embeddings[in_pool]
        return pruned_duplicates(embeddings, threshold, priority=priority, partition=partition, apart=apart, far=far)
    return graph_duplicates(
        pool.embeddings, threshold, graph, in_pool, priority=priority, partition=partition, apart=apart
    )
