"""The k-NN graph of a large pool, searched in blocks of rows: each a piece of work that any worker may do.

What the pieces share lies beside the output, in its work folder: the pool's embeddings in one file, and the cells of an
approximate graph with Faiss's inverted file; pieces map both into memory. What a block finds is a file there, too, so a
search that was killed goes on with the blocks that are done. The folder goes when the output is published; what a
killed search left of it goes with a take-down or `windrow gc`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.arrays import check_embeddings, row_blocks
from windrow.tasks.algorithms.neighbors.approximate_neighbors import (
    N_PROBE,
    Cells,
    cell_count,
    learn_cells,
    recall_of,
    search_cells,
)
from windrow.tasks.algorithms.neighbors.exact_neighbors import QUERY_BLOCK, NeighborGraph, tile_rows, unchecked_search
from windrow.tasks.storage.files.whole_or_absent import new_file, publish_directory, temporary_directory
from windrow.tasks.storage.memory_budget import memory_budget
from windrow.tasks.storage.store.outputs import MANIFEST, Done, Output, refuse_new_work, work_path
from windrow.tasks.storage.store.pool import Pool
from windrow.tasks.storage.store.pool_file import PoolFile, pool_file, pool_shape, write_pool
from windrow.tasks.tally import add

ROWS = 8 * QUERY_BLOCK
"""Of a block."""
POOL, CELLS, INDEX, ARRAYS = "pool", "cells", "index", "arrays.npz"


@dataclass(frozen=True)
class GraphSearch:
    """The search of the neighbours of all rows of a pool, for an output of the stage neighbors.

    output: its path, relative to the store; inputs: what it is made from. n, dim, k: rows, their dimensions, and the
    neighbours of each. exact: whether every two rows are compared. rows: of a block, a multiple of QUERY_BLOCK, by
    which no byte changes.
    """

    output: str
    inputs: Mapping[str, Any]
    n: int
    dim: int
    k: int
    exact: bool
    rows: int = ROWS

    @property
    def blocks(self) -> list[slice]:
        """The rows of each block: of the pool, or of the order of its cells."""
        return row_blocks(self.n, self.rows)

    @property
    def by_cells(self) -> bool:
        """Whether a row looks into few of the cells; with as few cells as that, every two rows are compared."""
        return not self.exact and cell_count(self.n) > N_PROBE

    def work(self, store: Path) -> Path:
        """The folder of what pieces share and find."""
        return work_path(store / self.output)


def write_pool_once(final: Path, features: Sequence[Output]) -> PoolFile:
    """Gather the embeddings of a search for the output `final`, unless they are there.

    Raises ValueError, and leaves nothing behind, where they are too few or not finite.
    """
    folder = work_path(final) / POOL
    if not folder.exists():
        final.parent.mkdir(parents=True, exist_ok=True)
        with temporary_directory(final.parent) as path:
            written = write_pool(features, path, unit=False, memory=memory_budget() // 4)
            check_size(len(written.vectors))
            check_embeddings("embeddings", _mapped(written))
            folder.parent.mkdir(exist_ok=True)
            publish_directory(path, folder)
    return pool_file(folder, pool_shape(features)[1], unit=False)


def check_size(n: int) -> None:
    """Raise ValueError for a pool of so few samples with an embedding that none has a neighbour."""
    if n < 2:
        raise ValueError(f"the pool has {n} samples with an embedding; a curated set needs at least 2")


def learn_cells_once(store: Path, what: GraphSearch) -> None:
    """Learn the cells of a search by cells, unless they are there."""
    folder = what.work(store) / CELLS
    known = folder.exists() or not what.by_cells
    cells = None if known else learn_cells(_mapped(_pool(store, what)))
    if cells is None:
        return
    import faiss

    with temporary_directory(folder.parent) as path:
        with _faiss_file(path / INDEX):
            faiss.write_index(cells.index, str(path / INDEX))
        np.savez(path / ARRAYS, centroids=cells.centroids, order=cells.order, checked=cells.checked)
        publish_directory(path, folder)


def search_blocks(store: Path, what: GraphSearch, numbers: Sequence[int]) -> list[Done]:
    """Search blocks of these numbers, unless they are found searched; the counts are n_samples.

    Memory: a part of `memory_budget` for the tile of the pool that an exact search compares with (`tile_rows`), or the
    candidates of QUERY_BLOCK rows at once; files are mapped. Where another run has published the graph, and taken the
    folder away, nothing is left to do.
    """
    try:
        missing = [number for number in numbers if not _block_path(store, what, number).exists()]
        if missing:
            refuse_new_work(Stage.NEIGHBORS)
            add(sum(_rows(what, number) for number in numbers if number not in missing))
            _search_missing(store, what, missing)
    except OSError:
        if not (store / what.output / MANIFEST).exists():
            raise
        missing = []
    return [_done(store, what, number, number not in missing) for number in numbers]


def _search_missing(store: Path, what: GraphSearch, missing: Sequence[int]) -> None:
    embeddings, cells = _opened(store, what)
    for number in missing:
        found = _searched(embeddings, cells, what.k, what.blocks[number])
        with new_file(_block_path(store, what, number)) as file:
            np.savez(file, indices=found.indices, similarity=found.similarity)
        add(_rows(what, number))


def _searched(embeddings: npt.NDArray[np.float16], cells: Cells | None, k: int, block: slice) -> NeighborGraph:
    if cells is not None:
        return search_cells(embeddings, k, cells, block)
    rows = np.arange(block.start, block.stop)
    tile = tile_rows(embeddings.shape[1], memory_budget())
    return unchecked_search(embeddings[block], embeddings, k, rows, tile=tile)


def gathered(store: Path, what: GraphSearch) -> tuple[Pool, NeighborGraph, float | None]:
    """The pool, its graph of all blocks, and the recall of that unless it is exact; a block that is lost is searched.

    Memory: 12 n k bytes for the graph, 40 n for the ids; the embeddings are mapped.
    """
    embeddings, cells = _opened(store, what)
    graph = NeighborGraph(np.empty((what.n, what.k), np.int64), np.empty((what.n, what.k), np.float32))
    for number, block in enumerate(what.blocks):
        found = _read_block(_block_path(store, what, number)) or _searched(embeddings, cells, what.k, block)
        rows = block if cells is None else cells.order[block]
        graph.indices[rows], graph.similarity[rows] = found.indices, found.similarity
    ids = _pool(store, what).all_ids()
    recall = recall_of(graph, embeddings, cells.checked) if cells is not None else None if what.exact else 1.0
    return Pool(ids, embeddings), graph, recall


def _read_block(path: Path) -> NeighborGraph | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return NeighborGraph(arrays["indices"], arrays["similarity"])
    except (FileNotFoundError, ValueError, EOFError, KeyError, BadZipFile):
        return None


def _block_path(store: Path, what: GraphSearch, number: int) -> Path:
    block = what.blocks[number]
    return what.work(store) / f"block-{block.start}-{block.stop}.npz"


def _done(store: Path, what: GraphSearch, number: int, found: bool) -> Done:
    path = str(_block_path(store, what, number).relative_to(store))
    return Done(path, found, {"n_samples": _rows(what, number)})


def _rows(what: GraphSearch, number: int) -> int:
    return len(range(what.n)[what.blocks[number]])


def _opened(store: Path, what: GraphSearch) -> tuple[npt.NDArray[np.float16], Cells | None]:
    """The pool's embeddings (n, d) and its cells, None of a search without; mapped but for 16 bytes a row."""
    return _mapped(_pool(store, what)), _read_cells(what.work(store) / CELLS) if what.by_cells else None


def _pool(store: Path, what: GraphSearch) -> PoolFile:
    return pool_file(what.work(store) / POOL, what.dim, unit=False)


def _mapped(pool: PoolFile) -> npt.NDArray[np.float16]:
    return np.memmap(pool.vectors.path, pool.vectors.stored, "r", shape=pool.vectors.shape)


def _read_cells(folder: Path) -> Cells:
    import faiss

    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        known = {name: arrays[name] for name in ("centroids", "order", "checked")}
    with _faiss_file(folder / INDEX):
        index: Any = faiss.read_index(str(folder / INDEX), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    lists: Any = faiss.downcast_InvertedLists(index.invlists)
    lists.prefetch_nthread = 0  # else 32 threads at each search
    return Cells(index, **known)


@contextmanager
def _faiss_file(path: Path) -> Iterator[None]:
    """Raise what Faiss raises of a file as what it is: FileNotFoundError, or another OSError (a full disk, say)."""
    try:
        yield
    except RuntimeError as error:
        kind = OSError if path.exists() else FileNotFoundError
        raise kind(f"{path}: {error}") from error
