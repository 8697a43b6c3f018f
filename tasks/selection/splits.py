"""Groups that must stay together, and the splits that they go to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from windrow.tasks.selection.selection_config import Split


def group_samples(sample_ids: pa.Array, pairs: npt.NDArray[np.int64], names: Sequence[str | None]) -> pa.Array:
    """Return for each sample the lowest `sample_id` of its group.

    `sample_ids` ascend. Two samples are in a group when a chain of `pairs` (m, 2: rows that belong together) or of
    equal `names` joins them.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(sample_ids)
    first: dict[str, int] = {}
    named = [(row, first.setdefault(name, row)) for row, name in enumerate(names) if name is not None]
    edges = np.concatenate([np.asarray(pairs, np.int64).reshape(-1, 2), np.asarray(named, np.int64).reshape(-1, 2)])
    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    _, lowest = np.unique(component, return_index=True)
    return sample_ids.take(pa.array(lowest[component]))


def assign_splits(group_ids: pa.Array, splits: Sequence[Split], seed: int) -> pa.Array:
    """Return the split of each sample by a hash of its group and the seed: a group stays put as the pool grows."""
    unique, inverse = np.unique(np.asarray(group_ids.to_pylist(), dtype=str), return_inverse=True)
    position = np.array([int(group[:15], 16) for group in unique], np.uint64)
    uniform = _mixed(position ^ np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)) / 2.0**64
    ends = np.cumsum([split.share for split in splits])
    chosen = np.minimum(np.searchsorted(ends, uniform, side="right"), len(splits) - 1)
    return pa.array([split.name for split in splits]).take(pa.array(chosen[inverse]))


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014), which spreads each bit over all."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
