"""Labels of many classes spread along the graph: of each sample the classes that reach it most."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import BoolArray, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.cores.affinity import LocalMatrix, normalised_affinity, spread
from windrow.tasks.algorithms.labels.folds import check_pool, labelled_rows
from windrow.tasks.algorithms.labels.many_classes.listed_rows import joined, kth_largest, listed, row_max, row_sums
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

if TYPE_CHECKING:
    from scipy import sparse

ROWS = 4096
"""Of a step at a time."""
KEPT = 32
"""Entries of a row that are carried on from step to step."""
TOLERANCE = 1e-3
"""How far scores may be off their limit, in norms of a class's labels."""
LEAST = 1e-2
"""Of a row's largest score: what is below it is not carried on."""


def propagate(
    graph: NeighborGraph,
    labels: Int64Array,
    n_classes: int,
    k: int,
    rows: Int64Array,
    alpha: float = 0.9,
    gamma: float = 3.0,
    class_balanced: bool = True,
) -> SparseProbabilities:
    """The k classes that `LabelPropagation` finds most probable for some rows (m,) of a pool with labels (n,).

    The same recurrence (`spread`), whose rows keep after each step their k largest scores, and of these what is at
    least LEAST of the largest. A sample is reached by the classes of the labels near it, so it costs n k neighbours
    instead of n n_classes neighbours. Shares differ from the dense ones by what was dropped: see
    docs/evidence/many-classes.md. A sample that no label reaches lists nothing.
    """
    check_pool(graph.indices, labels)
    known = labelled_rows(labels, n_classes)
    smoother = normalised_affinity(graph, gamma)
    seeds = _seeds(labels, known, n_classes, class_balanced)
    total = spread(LocalMatrix.of(smoother), seeds.sum(axis=1)[:, None], alpha, TOLERANCE)[:, 0]
    narrow = LocalMatrix.of(smoother.astype(np.float32))
    del smoother  # as large as all scores
    scores, place = _spread(narrow.matrix, seeds[narrow.order], alpha), narrow.place
    parts = [_shares(scores[place[rows[block]]], total[rows[block]], k) for block in row_blocks(len(rows), ROWS)]
    return joined(parts, min(k, n_classes), n_classes)


def _seeds(labels: Int64Array, known: Int64Array, n_classes: int, class_balanced: bool) -> sparse.csr_array:
    from scipy import sparse

    counts = np.bincount(labels[known], minlength=n_classes)
    mass = 1.0 / counts[labels[known]] if class_balanced else np.ones(len(known))
    starts = np.concatenate([[0], np.cumsum(labels >= 0)])
    shape = (len(labels), n_classes)
    return sparse.csr_array((mass.astype(np.float32), labels[known].astype(np.int32), starts), shape=shape)


def _spread(smoother: sparse.csr_array, seeds: sparse.csr_array, alpha: float) -> sparse.csr_array:
    """`spread`, with rows that keep KEPT entries: of Y (n, columns) its F, but for what is dropped.

    Memory: 32 KEPT bytes a row.
    """
    from scipy import sparse

    rate = alpha / (1.0 + math.sqrt(1.0 - alpha * alpha))
    seeds = (seeds * np.float32(1.0 - alpha)).tocsr()
    own = sparse.eye_array(seeds.shape[0], dtype=np.float32, format="csr")
    previous, current = sparse.csr_array(seeds.shape, dtype=np.float32), seeds
    spare, used = _Entries(seeds.shape[0]), _Entries(seeds.shape[0])
    omega = 2.0
    for _ in range(math.ceil(math.log(TOLERANCE / 2.0) / math.log(rate))):
        omega = 1.0 / (1.0 - alpha * alpha * omega / 4.0)
        # One product, of the parts side by side, instead of a product and two sums.
        before = sparse.vstack([current, seeds, previous], format="csr")
        spare.clear()  # of the scores two steps ago, which `before` has
        for rows in row_blocks(seeds.shape[0], ROWS):
            weights = (np.float32(omega * alpha) * smoother[rows], np.float32(omega) * own[rows])
            spare.add(_kept(sparse.hstack([*weights, np.float32(1.0 - omega) * own[rows]], format="csr") @ before))
        del before
        previous, current = current, spare.matrix(seeds.shape)
        spare, used = used, spare
    return current


class _Entries:
    """Rows of at most KEPT entries, one after another: what is not filled takes no memory."""

    def __init__(self, n: int) -> None:
        self._data, self._classes = np.empty(n * KEPT, np.float32), np.empty(n * KEPT, np.int32)
        self._sizes: list[npt.NDArray[np.int32]] = []
        self._n = 0

    def clear(self) -> None:
        self._sizes, self._n = [], 0

    def add(self, rows: sparse.csr_array) -> None:
        there = slice(self._n, self._n + rows.nnz)
        self._data[there], self._classes[there] = rows.data, rows.indices
        self._sizes.append(np.diff(rows.indptr).astype(np.int32))
        self._n += rows.nnz

    def matrix(self, shape: tuple[int, int]) -> sparse.csr_array:
        """The rows that were added, until `clear`."""
        from scipy import sparse

        starts = np.concatenate([[0], np.cumsum(np.concatenate(self._sizes), dtype=np.int64)])
        return sparse.csr_array((self._data[: self._n], self._classes[: self._n], starts), shape=shape)


def _kept(scores: sparse.csr_array) -> sparse.csr_array:
    """Of each row the KEPT largest, by amount, of what is at least LEAST of its largest."""
    from scipy import sparse

    amount, sizes = np.abs(scores.data), np.diff(scores.indptr)
    row = np.repeat(np.arange(len(sizes)), sizes)
    least = LEAST * row_max(amount, scores.indptr).astype(np.float32)
    full = np.flatnonzero(sizes > KEPT)
    least[full] = np.maximum(least[full], kth_largest(amount, scores.indptr, full, KEPT))
    kept = amount >= least[row]
    _drop_equals(row, kept, scores.indices)
    starts = np.concatenate([[0], np.cumsum(np.bincount(row[kept], minlength=len(sizes)))])
    return sparse.csr_array((scores.data[kept], scores.indices[kept].astype(np.int32), starts), shape=scores.shape)


def _drop_equals(row: Int64Array, kept: BoolArray, classes: Int64Array) -> None:
    """Where equal amounts leave more than KEPT of a row, let the highest classes go."""
    crowded = np.flatnonzero(np.bincount(row[kept], minlength=1) > KEPT)
    if len(crowded):
        entries = np.flatnonzero(kept & np.isin(row, crowded))
        order = entries[np.lexsort((classes[entries], row[entries]))]
        place = np.arange(len(order)) - np.searchsorted(row[order], row[order], side="left")
        kept[order[place >= KEPT]] = False


def _shares(scores: sparse.csr_array, total: Float64Array, k: int) -> SparseProbabilities:
    values = np.maximum(scores.data.astype(np.float64), 0.0)
    sizes = np.diff(scores.indptr)
    whole = np.maximum(total, row_sums(values, scores.indptr))
    shares = np.divide(values, np.repeat(whole, sizes), out=np.zeros(len(values)), where=np.repeat(whole, sizes) > 0)
    return listed(scores, shares, np.zeros(len(sizes)), k)
