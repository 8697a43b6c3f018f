"""The k-NN graph of a pool that has changed a little, from the graph that it had: what is new meets all.

Removing a sample takes a place from the rows that had it among their neighbours, and these are searched again, as new
rows are. Of every other row the neighbours are the k best of those it had and of the new rows. A float32 product tells
which new rows can reach a row's k-th place; only these are scored exactly. From an exact graph the answer is that of
`neighbor_graph`, to the byte, as a similarity does not depend on the block that it is computed in; from an approximate
one it has what that had of the rows that stay, and misses nothing of the new ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Float64Array, Int64Array, row_blocks, unit_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import (
    NOTHING,
    NeighborGraph,
    decode_keys,
    exact_products,
    grid_rows,
    key_of,
    rounding_error,
    search,
)

OLD_AT_ONCE, NEW_AT_ONCE = 4096, 4096


def extend_graph(
    embeddings: npt.NDArray[Any], k: int, earlier: NeighborGraph, place: Int64Array, most_searched: int
) -> NeighborGraph | None:
    """The k-NN graph of embeddings (n, d) from an earlier one; None where that is not worth it.

    earlier: the graph of m embeddings; place: int64 (m,), the row that each of them has now, in the same order, or -1
    where it is gone or its embedding is another. Costs n times the new rows, and n times the rows that have lost a
    neighbour: None where these are more than `most_searched`, or the earlier graph has not k neighbours a row.
    Raises ValueError for places that are none, or not in the order of the rows.
    """
    n = len(embeddings)
    there = np.flatnonzero(place >= 0)
    rows = place[there]
    if place.shape != (len(earlier.indices),) or (len(rows) and (rows[-1] >= n or (np.diff(rows) <= 0).any())):
        raise ValueError(f"place must be int64 ({len(earlier.indices)},), ascending below {n} but for -1")
    if earlier.indices.shape[1] != k:
        return None
    indices = place[earlier.indices[there]]
    whole = (indices >= 0).all(axis=1)
    searched = np.ones(n, np.bool_)
    searched[rows[whole]] = False
    if searched.sum() > most_searched:
        return None
    is_new = np.ones(n, np.bool_)
    is_new[rows] = False
    keys = np.full((n, k), NOTHING, dtype=np.int64)
    keys[rows[whole]] = key_of(earlier.similarity[there[whole]], indices[whole])
    _meet_new(embeddings, keys, np.flatnonzero(~searched), np.flatnonzero(is_new))
    again = np.flatnonzero(searched)
    if len(again):
        found = search(embeddings[again], embeddings, k, exclude=again)
        keys[again] = key_of(found.similarity, found.indices)
    return decode_keys(keys)


def _meet_new(embeddings: npt.NDArray[Any], keys: Int64Array, old: Int64Array, new: Int64Array) -> None:
    """Put what new rows are near enough into the keys (n, k) of old rows."""
    for tile in row_blocks(len(new), NEW_AT_ONCE):
        grid = grid_rows(embeddings[new[tile]])
        units = unit_rows(embeddings[new[tile]])[0].astype(np.float32)
        for block in row_blocks(len(old), OLD_AT_ONCE):
            rows = old[block]
            wanted = unit_rows(embeddings[rows])[0]
            near = _reaching(wanted.astype(np.float32), units, decode_keys(keys[rows, -1:]).similarity)
            for few in _few_pairs(near):
                keys[rows[few]] = _merged(keys[rows[few]], wanted[few], grid, new[tile], near[few])


def _reaching(old: Float32Array, new: Float32Array, least: Float32Array) -> BoolArray:
    """Which pairs (a, b) of old (a, d) and new (b, d) unit rows can be at `least` (a, 1), whatever float32 rounds."""
    error = np.float32(2 * rounding_error(old.shape[1]))
    return np.asarray(old @ new.T >= least - error)


def _few_pairs(near: BoolArray) -> list[Int64Array]:
    """Rows with a pair, in parts whose widest row bounds what is scored at once: those of like width together."""
    width = near.sum(axis=1)
    order = np.argsort(width, kind="stable")
    order = order[width[order] > 0]
    ends = np.flatnonzero(np.diff(np.frexp(width[order])[1])) + 1
    return [part for part in np.split(order, ends) if len(part)]


def _merged(
    keys: Int64Array, wanted: Float64Array, grid: npt.NDArray[np.int32], new: Int64Array, near: BoolArray
) -> Int64Array:
    """The k best keys (b, k) of what rows have and of the new rows that `near` (b, m) says."""
    width = int(near.sum(axis=1).max())
    column = np.full((len(near), width), -1, dtype=np.int64)
    row, which = np.nonzero(near)
    starts = np.searchsorted(row, np.arange(len(near)))
    column[row, np.arange(len(row)) - starts[row]] = which
    similarity = exact_products(wanted, grid, np.maximum(column, 0))
    found = key_of(similarity.astype(np.float32), new[np.maximum(column, 0)])
    found[column < 0] = NOTHING
    return -np.sort(-np.concatenate([keys, found], axis=1), axis=1)[:, : keys.shape[1]]
