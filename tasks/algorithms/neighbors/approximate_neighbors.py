"""Nearest neighbours by cosine among the rows of the nearest cells only: most of the exact graph, in far less time.

The pool is divided into k-means cells, and a row is compared with the rows of the n_probe cells that are nearest to it
('inverted file', Jégou et al. 2011). Faiss scans the cells; what it proposes is scored and ordered by the arithmetic of
`neighbors`, so a similarity is the same number in both graphs, and equal ones are in order of index in both.

The cells are of our own k-means, whose bits no thread number changes, and what Faiss does here is done row by row: the
graph depends on the seed and on the order of the rows (the cells are learnt from a sample of them), not on threads. Two
BLAS libraries may differ in which of two equally near cells they look into.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from windrow.tasks.algorithms.arrays import (
    Float32Array,
    Float64Array,
    Int64Array,
    check_embeddings,
    row_blocks,
    unit_rows,
)
from windrow.tasks.algorithms.clustering.kmeans import kmeans
from windrow.tasks.algorithms.neighbors.exact_neighbors import (
    MARGIN,
    NOTHING,
    QUERY_BLOCK,
    NeighborGraph,
    decode_keys,
    exact_products,
    grid_rows,
    key_of,
    loaded_faiss,
    neighbor_graph,
    search,
)

# Of 20,000 CIFAR-10 images' MobileNetV2 features (1280 dimensions), 32, 48 and 64 found 93.0, 96.2 and 97.6 % of the
# 20 nearest (of 1,000 rows).
N_PROBE = 48
N_CHECKED = 1000
# Rows in a cell, on average, up to 65,536 rows; beyond, there are 4 n^(1/2) cells, which have more.
CELL_SIZE = 64
CELLS_PER_ROOT = 4
# The cells are learnt from so many rows each, in so many iterations.
SAMPLED_PER_CELL = 32
N_ITERS = 8
# A row scans at most this many times what n_probe cells hold on average: cells of duplicates have no bound.
MOST_SCANNED = 4


@dataclass(frozen=True)
class ApproximateGraph:
    """The graph, and its recall: the share of true neighbours in it, of a random sample of rows; 1.0 where exact."""

    graph: NeighborGraph
    recall: float


@dataclass(frozen=True)
class Cells:
    """A pool (n, d) in k-means cells.

    index: Faiss's inverted file, in which a row's number is its position; centroids: float32 (c, d); order: int64 (n,),
    the rows cell by cell: rows of a cell look into much the same cells, which stay in the processor's cache, and few of
    their candidates are new; checked: int64, ascending, a sample of rows, whose true neighbours tell the recall.
    """

    index: Any
    centroids: Float32Array
    order: Int64Array
    checked: Int64Array


def approximate_neighbor_graph(
    embeddings: npt.NDArray[Any], k: int, *, n_probe: int = N_PROBE, n_checked: int = N_CHECKED, seed: int = 0
) -> ApproximateGraph:
    """About the k nearest neighbours of every row of embeddings (n, d) among the other rows, 1 <= k < n.

    Every row gets k neighbours. n_probe: cells that each row looks into, of min(n / 64, 4 n^(1/2)); a pool of no more
    cells than that gets the exact graph. n_checked: rows whose true neighbours are searched for the recall. A row is
    compared with 4 n^(1/2) centroids and n_probe n^(1/2) / 4 rows, at most 4 times that: n^(3/2) in all, with a small
    constant, and n while cells hold 64 rows. Memory: 4 n d bytes for Faiss's copy.
    """
    n = len(embeddings)
    if not 1 <= k < n:
        raise ValueError(f"k must be from 1 to {n - 1} for {n} embeddings, got {k}")
    cells = learn_cells(embeddings, n_probe=n_probe, n_checked=n_checked, seed=seed)
    if cells is None:
        return ApproximateGraph(neighbor_graph(embeddings, k), 1.0)
    graph = _graph_of(embeddings, k, cells, n_probe)
    return ApproximateGraph(graph, recall_of(graph, embeddings, cells.checked))


def learn_cells(
    embeddings: npt.NDArray[Any], *, n_probe: int = N_PROBE, n_checked: int = N_CHECKED, seed: int = 0
) -> Cells | None:
    """The cells of embeddings (n, d); None where there are no more than n_probe, and an exact search does as well.

    Memory: 4 n d bytes for Faiss's copy. Raises ValueError for embeddings that are not finite.
    """
    check_embeddings("embeddings", embeddings)
    for name, value in (("n_probe", n_probe), ("n_checked", n_checked)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    n = len(embeddings)
    n_cells = cell_count(n)
    if n_cells <= n_probe:
        return None
    rng = np.random.default_rng(seed)
    centroids = _centroids(embeddings, n_cells, rng)
    return _filled_cells(embeddings, centroids, _checked(n, n_checked, rng))


def cell_count(n: int) -> int:
    """How many cells a pool of n rows has."""
    return min(n // CELL_SIZE, int(CELLS_PER_ROOT * np.sqrt(n)))


def search_cells(
    embeddings: npt.NDArray[Any], k: int, cells: Cells, block: slice, n_probe: int = N_PROBE
) -> NeighborGraph:
    """About the k nearest neighbours of the rows `cells.order[block]` of embeddings (n, d), in that order.

    A block starts at a multiple of QUERY_BLOCK, and ends at one or at n: so many rows meet the centroids in one product
    of matrices, whose bits decide between cells that are nearly equally near. Then blocks change no byte. Raises
    ValueError for another.
    """
    start, stop, _ = block.indices(len(embeddings))
    if start % QUERY_BLOCK or (stop % QUERY_BLOCK and stop < len(embeddings)):
        raise ValueError(f"block must be from and to multiples of {QUERY_BLOCK}, or to the end, got {start} and {stop}")
    return decode_keys(_search_order(embeddings, k, cells, cells.order[start:stop], n_probe))


def approximate_search(
    queries: npt.NDArray[Any], base: npt.NDArray[Any], k: int, exclude: Int64Array, *, n_probe: int = N_PROBE
) -> NeighborGraph:
    """About the k rows of base (m, d) nearest by cosine to each row of queries (n, d), 1 <= k <= m.

    exclude: int64 (n,), the base row that each query may not find, or -1; a query with fewer than k rows left gets -1.
    A query looks into n_probe of the cells of base (see `approximate_neighbor_graph`); where there are no more, the
    answer is exact. Memory: 4 m d bytes for Faiss's copy. Raises ValueError for rows that are not finite.
    """
    check_embeddings("queries", queries)
    cells = learn_cells(base, n_probe=n_probe)
    if cells is None:
        return search(queries, base, k, exclude=exclude)
    return decode_keys(_search_rows(queries, np.arange(len(queries)), base, exclude, k, cells, n_probe))


def sampled_recall(graph: NeighborGraph, embeddings: npt.NDArray[Any], seed: int = 0) -> float:
    """The recall of the graph of embeddings (n, d) by N_CHECKED of its rows; see `recall_of`."""
    return recall_of(graph, embeddings, _checked(len(embeddings), N_CHECKED, np.random.default_rng(seed)))


def _checked(n: int, n_checked: int, rng: np.random.Generator) -> Int64Array:
    return np.sort(rng.choice(n, min(n_checked, n), replace=False))


def recall_of(graph: NeighborGraph, embeddings: npt.NDArray[Any], rows: Int64Array) -> float:
    """The share of the k nearest neighbours of some rows that the graph has, by an exact search for these rows.

    A neighbour as near as the k-th counts: which of several equally near ones is found is no matter (Aumüller et al.
    2017, ANN-Benchmarks).
    """
    exact = search(embeddings[rows], embeddings, graph.indices.shape[1], exclude=rows)
    return float((graph.similarity[rows] >= exact.similarity[:, -1:]).mean())


def _centroids(embeddings: npt.NDArray[Any], n_cells: int, rng: np.random.Generator) -> Float32Array:
    n_sampled = min(len(embeddings), SAMPLED_PER_CELL * n_cells)
    rows = np.sort(rng.choice(len(embeddings), n_sampled, replace=False))
    units = np.empty((n_sampled, embeddings.shape[1]), dtype=np.float32)
    for start in range(0, n_sampled, QUERY_BLOCK):
        units[start : start + QUERY_BLOCK] = unit_rows(embeddings[rows[start : start + QUERY_BLOCK]])[0]
    return kmeans(units, n_cells, seed=int(rng.integers(2**31)), n_iters=N_ITERS).centroids


def _graph_of(embeddings: npt.NDArray[Any], k: int, cells: Cells, n_probe: int) -> NeighborGraph:
    keys = np.empty((len(embeddings), k), dtype=np.int64)
    keys[cells.order] = _search_order(embeddings, k, cells, cells.order, n_probe)
    return decode_keys(keys)


def _search_order(embeddings: npt.NDArray[Any], k: int, cells: Cells, order: Int64Array, n_probe: int) -> Int64Array:
    return _search_rows(embeddings, order, embeddings, order, k, cells, n_probe)


def _search_rows(
    queries: npt.NDArray[Any],
    rows: Int64Array,
    base: npt.NDArray[Any],
    own: Int64Array,
    k: int,
    cells: Cells,
    n_probe: int,
) -> Int64Array:
    """Keys (b, k) of the neighbours of some rows (b,) of queries in base, QUERY_BLOCK of them at a time.

    own: int64 (b,), the row of base that each may not find, or -1.
    """
    loaded_faiss()  # before the controller, which knows only libraries that are loaded
    one_thread = ThreadpoolController()
    n_cells = len(cells.centroids)
    n_probe = min(n_probe, n_cells)
    index = cells.index
    index.nprobe, index.max_codes = n_probe, MOST_SCANNED * n_probe * -(-len(base) // n_cells)
    keys = np.empty((len(rows), k), dtype=np.int64)
    for block in row_blocks(len(rows), QUERY_BLOCK):
        units = unit_rows(queries[rows[block]])[0]
        distance, probed = _nearest_cells(units.astype(np.float32), cells.centroids, n_probe, one_thread)
        column = index.search_preassigned(units.astype(np.float32), k + 1 + MARGIN, Iq=probed, Dq=distance)[1]
        keys[block] = _best_keys(base, own[block], units, column, k)
    short = np.flatnonzero(keys[:, -1] == NOTHING)
    if len(short):
        rest = search(queries[rows[short]], base, k, exclude=own[short])
        keys[short] = np.where(rest.indices < 0, NOTHING, key_of(rest.similarity, rest.indices))
    return keys


def _filled_cells(embeddings: npt.NDArray[Any], centroids: Float32Array, checked: Int64Array) -> Cells:
    """Each row in its nearest cell, in order of position."""
    faiss = loaded_faiss()
    from faiss.contrib.ivf_tools import add_preassigned

    one_thread = ThreadpoolController()
    quantizer = faiss.IndexFlatL2(centroids.shape[1])
    quantizer.add(centroids)
    index = faiss.IndexIVFFlat(quantizer, centroids.shape[1], len(centroids), faiss.METRIC_INNER_PRODUCT)
    index.train(centroids)
    cell = np.empty(len(embeddings), dtype=np.int64)
    for rows, units in _unit_blocks(embeddings):
        cell[rows] = _nearest_cells(units, centroids, 1, one_thread)[1][:, 0]
        add_preassigned(index, units, cell[rows])  # Faiss numbers them as they come: by position
    return Cells(index, centroids, np.argsort(cell, kind="stable"), checked)


def _unit_blocks(embeddings: npt.NDArray[Any]) -> Iterator[tuple[slice, Float32Array]]:
    for start in range(0, len(embeddings), QUERY_BLOCK):
        rows = slice(start, start + QUERY_BLOCK)
        yield rows, unit_rows(embeddings[rows])[0].astype(np.float32)


def _nearest_cells(
    units: Float32Array, centroids: Float32Array, n: int, one_thread: ThreadpoolController
) -> tuple[Float32Array, Int64Array]:
    """Squared distances and numbers of the n nearest centroids (b, n), nearest first.

    On one thread, as the bits of a matrix product depend on their number. A limit of BLAS alone does not hold: Faiss's
    OpenBLAS counts its threads by OpenMP, of which PyTorch brings a second copy.
    """
    import faiss

    with one_thread.limit(limits=1):
        distance, cell = faiss.knn(units, centroids, n)
    return distance, cell


def _best_keys(base: npt.NDArray[Any], own: Int64Array, units: Float64Array, column: Int64Array, k: int) -> Int64Array:
    """Keys (b, k) of the best of each row's candidates (b, c), -1 for none, by exact similarity, largest first."""
    candidates, place = np.unique(column, return_inverse=True)
    similarity = exact_products(units, grid_rows(base[candidates]), place.reshape(column.shape))
    key = key_of(similarity.astype(np.float32), column)
    key[(column < 0) | (column == own[:, None])] = NOTHING
    return -np.sort(-key, axis=1)[:, :k]
