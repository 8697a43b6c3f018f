"""Groups that must stay together, and the splits that they go to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.tasks.selection.selection_config import Split
from windrow.tasks.storage.catalog.judged_sql import query
from windrow.tasks.storage.store.listed_samples import listed_samples

UNCLAIMED = -1
Int64Array = npt.NDArray[np.int64]


def group_samples(sample_ids: pa.Array, pairs: Int64Array, names: Sequence[str | None]) -> pa.Array:
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


def claimed_splits(connection: Any, splits: Sequence[Split], sample_ids: pa.Array) -> Int64Array:
    """Return for each sample the number of the first split whose `where` or `ids` takes it; UNCLAIMED for the others.

    `connection` has the view `pool`. Raises ValueError for what is no predicate, or no list of ids.
    """
    claimed = np.full(len(sample_ids), UNCLAIMED, np.int64)
    for number, split in reversed(list(enumerate(splits))):
        if split.share is None:
            rows = pc.index_in(pa.array(_taken(connection, split), pa.string()), sample_ids).drop_null()
            claimed[np.asarray(rows)] = number
    return claimed


def _taken(connection: Any, split: Split) -> list[str]:
    if split.ids is not None:
        return listed_samples(Path(split.ids))
    try:
        found = query(connection, f"SELECT sample_id FROM pool WHERE coalesce(({split.where}\n), false)")
        return [row[0] for row in found.fetchall()]
    except (duckdb.Error, ValueError) as error:
        raise ValueError(f"selection.splits: {split.name!r} ({split.where}): {error}") from None


def assign_splits(
    group_ids: pa.Array,
    splits: Sequence[Split],
    seed: int,
    claimed: Int64Array | None = None,
    strata: Sequence[str | None] | None = None,
) -> pa.Array:
    """Return the split of each sample; those of a group go to one.

    A group goes to the first split that claims a sample of it. The others are dealt out by a hash of the group and the
    seed, so that a group stays put as the pool grows: by the shares, or, where there are `strata`, so that of each
    stratum every split gets its share, to less than one group. A group is of the stratum that most of it is of.
    """
    unique, inverse = np.unique(np.asarray(group_ids.to_pylist(), dtype=str), return_inverse=True)
    position = np.array([int(group[:15], 16) for group in unique], np.uint64)
    uniform = _mixed(position ^ np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)) / 2.0**64
    if strata is not None:
        uniform = _evened(uniform, inverse, strata)
    shares = {number: split.share for number, split in enumerate(splits) if split.share is not None}
    shared, ends = np.array(list(shares)), np.cumsum(list(shares.values()))
    chosen = shared[np.minimum(np.searchsorted(ends, uniform, side="right"), len(shared) - 1)]
    if claimed is not None:
        first = np.full(len(unique), len(splits), np.int64)
        np.minimum.at(first, inverse, np.where(claimed == UNCLAIMED, len(splits), claimed))
        chosen = np.where(first < len(splits), first, chosen)
    return pa.array([split.name for split in splits]).take(pa.array(chosen[inverse]))


def _evened(
    uniform: npt.NDArray[np.float64], group: Int64Array, strata: Sequence[str | None]
) -> npt.NDArray[np.float64]:
    """The place of each group among those of its stratum, by their hashes, from 0 to 1."""
    _, codes = np.unique([name or "" for name in strata], return_inverse=True)
    pairs, counts = np.unique(np.stack([group, codes], axis=1), axis=0, return_counts=True)
    order = np.lexsort((pairs[:, 1], -counts, pairs[:, 0]))
    _, first = np.unique(pairs[order, 0], return_index=True)
    stratum = pairs[order[first], 1]
    by_hash = np.lexsort((uniform, stratum))
    sizes = np.bincount(stratum)
    place = np.empty(len(uniform))
    place[by_hash] = np.arange(len(uniform)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.asarray((place + 0.5) / sizes[stratum])


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014), which spreads each bit over all."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
