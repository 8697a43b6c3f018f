"""Exact nearest neighbours by cosine, the same bytes for every block size, thread number and BLAS.

A float32 matrix product changes in its last bit with the shape of the block and the number of threads, and with it
which of two near-equal neighbours comes first. Here every unit vector is rounded to multiples of 2^-26 before the
product: each term is then a multiple of 2^-52 and, by Cauchy-Schwarz, every partial sum stays below 2, so float64 holds
all of them exactly and the order of summation cannot matter. The rounding moves a cosine by about 1e-8, less than
float32 arithmetic would.

Faiss finds the candidates, in float32 and on a GPU where it sees one. They are scored exactly, and the answer stands
where no rounding of float32 can have hidden a better neighbour (`rounding_error`). The other rows (ties at the k-th
place, mostly duplicates) are searched exactly throughout, so Faiss changes the time and never the answer.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import GRID, Float32Array, Float64Array, Int64Array, check_embeddings, unit_rows

QUERY_BLOCK = 1024
BASE_BLOCK = 8192
LARGEST_INDEX = 2**32 - 1
MAGNITUDE = np.int32(0x7FFFFFFF)
# Below every key of a cosine, and with a negative that int64 can hold.
NOTHING = -(2**63 - 1)
# Of a row whose neighbours the candidates do not prove; no key has it.
UNSURE = -(2**63)
# Candidates beyond k: enough that the last lies clearly below the k-th neighbour, where there are no ties.
MARGIN = 12
# With fewer rows of base for each candidate, scoring the candidates takes longer than the exact search of all.
ROWS_PER_CANDIDATE = 64
# Rows of base that Faiss searches at once. Each tile has its own candidates to score: large tiles, little to score.
FAISS_TILE = 2**16
# Numbers of candidates' vectors that are in memory at once.
SCORED_AT_ONCE = 2**20
# What Faiss's selection holds on a GPU.
MOST_CANDIDATES_ON_GPU = 2048
# Of queries that Faiss compares without a matrix product.
FEW_NUMBERS = 1024
# Unit roundoff of float32.
ROUNDOFF = 2.0**-24


@dataclass(frozen=True)
class NeighborGraph:
    """The k nearest neighbours of each of n vectors, nearest first; equal similarities in order of index.

    indices: int64 (n, k), positions in the searched array; -1 where there was no neighbour left.
    similarity: float32 (n, k), cosine; -inf where the index is -1.
    """

    indices: Int64Array
    similarity: Float32Array

    def __post_init__(self) -> None:
        if self.indices.ndim != 2 or self.indices.shape != self.similarity.shape:
            shapes = f"{self.indices.shape} and {self.similarity.shape}"
            raise ValueError(f"indices and similarity must have one shape (n, k), got {shapes}")


def neighbor_graph(
    embeddings: npt.NDArray[Any],
    k: int,
    block: int = QUERY_BLOCK,
    base_block: int = BASE_BLOCK,
    tile: int = FAISS_TILE,
) -> NeighborGraph:
    """The k nearest neighbours of every row of embeddings (n, d) among the other rows, 1 <= k < n.

    A row is left out of its own neighbours by its index, so exact duplicates find each other. Zero rows have similarity
    0 with everything. Memory depends on the blocks, the answer does not: `block` rows meet `base_block` rows at a time
    in the exact search, `tile` rows in Faiss's (`tile_rows`).
    """
    check_embeddings("embeddings", embeddings)
    if not 1 <= k < len(embeddings):
        raise ValueError(f"k must be from 1 to {len(embeddings) - 1} for {len(embeddings)} embeddings, got {k}")
    own = np.arange(len(embeddings), dtype=np.int64)
    return search(embeddings, embeddings, k, exclude=own, block=block, base_block=base_block, tile=tile)


def search(
    queries: npt.NDArray[Any],
    base: npt.NDArray[Any],
    k: int,
    exclude: Int64Array | None = None,
    block: int = QUERY_BLOCK,
    base_block: int = BASE_BLOCK,
    tile: int = FAISS_TILE,
) -> NeighborGraph:
    """The k rows of base (m, d) nearest by cosine to each row of queries (n, d), 1 <= k <= m.

    exclude: int64 (n,), the base row that each query may not find, or -1. A query with fewer than k rows left gets -1.
    """
    check_embeddings("queries", queries)
    check_embeddings("base", base)
    if queries.shape[1] != base.shape[1]:
        raise ValueError(f"queries have {queries.shape[1]} dimensions and base {base.shape[1]}")
    if not 1 <= k <= len(base):
        raise ValueError(f"k must be from 1 to {len(base)} for a base of {len(base)}, got {k}")
    if min(block, base_block, tile) < 1:
        raise ValueError(f"block, base_block and tile must be positive, got {block}, {base_block} and {tile}")
    if exclude is None:
        exclude = np.full(len(queries), -1, dtype=np.int64)
    if exclude.shape != (len(queries),):
        raise ValueError(f"exclude must have shape ({len(queries)},), got {exclude.shape}")
    return unchecked_search(queries, base, k, exclude, block, base_block, tile)


def unchecked_search(
    queries: npt.NDArray[Any],
    base: npt.NDArray[Any],
    k: int,
    exclude: Int64Array,
    block: int = QUERY_BLOCK,
    base_block: int = BASE_BLOCK,
    tile: int = FAISS_TILE,
) -> NeighborGraph:
    """What `search` returns, of finite embeddings: where one base is searched often, it need be read for that once."""
    if len(base) < ROWS_PER_CANDIDATE * (k + MARGIN):
        return exact_search(queries, base, k, exclude, block, base_block)
    return candidate_search(queries, base, k, exclude, block, base_block, tile)


def tile_rows(dim: int, memory: int) -> int:
    """How many rows of base Faiss may search at once: FAISS_TILE, or less where these would fill half of the memory.

    A row is there twice, in float32 and on the grid, and once more while it is brought there.
    """
    return int(np.clip(memory // 2 // (16 * dim), BASE_BLOCK, FAISS_TILE))


def candidate_search(
    queries: npt.NDArray[Any],
    base: npt.NDArray[Any],
    k: int,
    exclude: Int64Array,
    block: int = QUERY_BLOCK,
    base_block: int = BASE_BLOCK,
    tile: int = FAISS_TILE,
) -> NeighborGraph:
    """What `search` returns, from Faiss's candidates in every `tile` rows of base; exactly where they prove nothing."""
    keys = _proven_keys(queries, base, k, exclude, block, tile)
    unsure = np.flatnonzero(keys[:, 0] == UNSURE)
    if len(unsure):
        rest = exact_search(queries[unsure], base, k, exclude[unsure], block, base_block)
        keys[unsure] = np.where(rest.indices < 0, NOTHING, key_of(rest.similarity, rest.indices))
    return decode_keys(keys)


def exact_search(
    queries: npt.NDArray[Any],
    base: npt.NDArray[Any],
    k: int,
    exclude: Int64Array,
    block: int = QUERY_BLOCK,
    base_block: int = BASE_BLOCK,
) -> NeighborGraph:
    """What `search` returns, from exact products of all queries and all of base."""
    best = np.full((len(queries), k), NOTHING, dtype=np.int64)
    for first in range(0, len(base), base_block):
        tile = unit_rows(base[first : first + base_block])[0]
        for start in range(0, len(queries), block):
            rows = slice(start, start + block)
            best[rows] = _search_tile(best[rows], unit_rows(queries[rows])[0], tile, exclude[rows] - first, first)
    return decode_keys(best)


def _proven_keys(
    queries: npt.NDArray[Any], base: npt.NDArray[Any], k: int, exclude: Int64Array, block: int, tile: int
) -> Int64Array:
    """Keys (n, k) of the best candidates, largest first; UNSURE in the rows where a row left out could be as near."""
    n_candidates = k + MARGIN
    index = _faiss_index(base.shape[1], n_candidates)
    best = np.full((len(queries), k), NOTHING, dtype=np.int64)
    ceiling = np.full(len(queries), -np.inf)
    for first in range(0, len(base), tile):
        grid = grid_rows(base[first : first + tile])
        index.reset()
        index.add(grid.astype(np.float32) / np.float32(GRID))
        for start in range(0, len(queries), block):
            rows = slice(start, start + block)
            wanted = unit_rows(queries[rows])[0]
            value, column = index.search(wanted.astype(np.float32), n_candidates)
            similarity = exact_products(wanted, grid, column)
            key = key_of(similarity.astype(np.float32), column + first)
            key[(column < 0) | (column == exclude[rows, None] - first)] = NOTHING
            best[rows] = -np.sort(-np.concatenate([best[rows], key], axis=1), axis=1)[:, :k]
            ceiling[rows] = np.maximum(ceiling[rows], _ceiling(value, similarity, column, base.shape[1]))
    best[_similarity_of(best[:, -1]) <= ceiling] = UNSURE
    return best


def loaded_faiss() -> Any:
    """Faiss, told to search by matrix products whenever there are a few queries.

    Faiss 1.15 compares one by one below 128,000 numbers of queries: 990 of 128 dimensions took 9 times as long as
    1,024.
    It is one setting for the process, so whoever searches with Faiss loads it here.
    """
    import faiss

    faiss.cvar.distance_compute_blas_threshold = FEW_NUMBERS
    return faiss


def _faiss_index(d: int, n_candidates: int) -> Any:
    faiss = loaded_faiss()
    index = faiss.IndexFlatIP(d)
    on_gpu = faiss.get_num_gpus() > 0 and n_candidates <= MOST_CANDIDATES_ON_GPU
    return faiss.index_cpu_to_all_gpus(index) if on_gpu else index


def grid_rows(vectors: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """The rows of `unit_rows` in multiples of 2^-26, which int32 holds in half the memory."""
    grid = np.empty(vectors.shape, dtype=np.int32)
    for start in range(0, len(vectors), QUERY_BLOCK):
        grid[start : start + QUERY_BLOCK] = unit_rows(vectors[start : start + QUERY_BLOCK])[0] * GRID
    return grid


def exact_products(queries: Float64Array, grid: npt.NDArray[np.int32], column: Int64Array) -> Float64Array:
    """Exact products (b, c) of each query (b, d) with the rows of the grid that its columns (b, c) name."""
    products = np.empty(column.shape)
    step = max(1, SCORED_AT_ONCE // max(1, column.shape[1] * grid.shape[1]))
    for start in range(0, len(queries), step):
        few = slice(start, start + step)
        products[few] = (grid[column[few]].astype(np.float64) @ queries[few, :, None])[:, :, 0] / GRID
    return products


def _ceiling(value: Float32Array, similarity: Float64Array, column: Int64Array, d: int) -> Float64Array:
    """What the similarity of a row that is no candidate cannot exceed: Faiss's last value (b,) and its rounding error.

    Infinite where a candidate's own value (b, c) is further from its exact similarity: this is not float32 arithmetic
    then (a GPU's reduced precision, say), and its values prove nothing.
    """
    error = rounding_error(d)
    broken = ((np.abs(value - similarity) > error) & (column >= 0)).any(axis=1)
    return np.where(broken, np.inf, value[:, -1].astype(np.float64) + error)


def rounding_error(d: int) -> float:
    """The most by which a float32 product of two rows of `unit_rows` differs from their similarity.

    gamma_n = n u / (1 - n u) with u = 2^-24 bounds n successive roundings of a term, in any order of summation, fused
    or not (Higham 2002, Accuracy and stability of numerical algorithms, lemma 3.1 and equation 3.5), and by
    Cauchy-Schwarz the terms' magnitudes add up to |x| |y|. n = d for the product, 2 for the vectors' own rounding to
    float32, 1 for the exact similarity's, 1 for |x| |y| above 1 (by less than d^(1/2) 2^-25). Products of multiples of
    2^-26 do not underflow.
    """
    roundings = (d + 4) * ROUNDOFF
    return roundings / (1 - roundings)


def _search_tile(
    best: Int64Array, queries: Float64Array, tile: Float64Array, exclude: Int64Array, first: int
) -> Int64Array:
    similarity = (queries @ tile.T).astype(np.float32)
    inside = np.flatnonzero((exclude >= 0) & (exclude < len(tile)))
    similarity[inside, exclude[inside]] = -np.inf
    return _merge(best, similarity, first)


def _merge(best: Int64Array, similarity: Float32Array, first: int) -> Int64Array:
    """The k largest keys of each row among its best so far (b, k) and a tile of similarities (b, m), largest first."""
    k = best.shape[1]
    # Only what reaches the tile's own k-th value, ties included, can be among the k best: few enough to sort.
    least = similarity.shape[1] - min(k, similarity.shape[1])
    reach = np.partition(similarity, least, axis=1)[:, least]
    reach = np.maximum(reach, _similarity_of(best[:, -1]))
    row, column = np.nonzero((similarity >= reach[:, None]) & (similarity > -np.inf))
    keys = np.concatenate([best.ravel(), key_of(similarity[row, column], column + first)])
    row = np.concatenate([np.repeat(np.arange(len(best)), k), row])
    order = np.lexsort((-keys, row))
    row_starts = np.searchsorted(row[order], np.arange(len(best)))
    merged: Int64Array = keys[order][row_starts[:, None] + np.arange(k)]
    return merged


def key_of(similarity: Float32Array, index: Int64Array) -> Int64Array:
    """One integer that sorts by similarity, then lowest index: the float's bits above, the index counted down below."""
    # Adding 0 turns -0.0 into 0.0; a negative float's bits sort backwards until its magnitude bits are flipped.
    bits = (similarity + np.float32(0)).view(np.int32)
    ordered = np.where(bits < 0, bits ^ MAGNITUDE, bits).astype(np.int64)
    return (ordered << 32) | (LARGEST_INDEX - index)


def _similarity_of(keys: Int64Array) -> Float32Array:
    ordered = (keys >> 32).astype(np.int32)
    similarity = np.where(ordered < 0, ordered ^ MAGNITUDE, ordered).view(np.float32)
    return np.where(keys == NOTHING, np.float32(-np.inf), similarity)


def decode_keys(keys: Int64Array) -> NeighborGraph:
    indices = np.where(keys == NOTHING, -1, LARGEST_INDEX - (keys & LARGEST_INDEX))
    return NeighborGraph(indices, _similarity_of(keys))
