"""Predictions of many classes, smoothed along the graph: of each sample the most probable classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.cores.affinity import LocalMatrix, normalised_affinity
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import PredictListed
from windrow.tasks.algorithms.labels.many_classes.listed_rows import (
    joined,
    log_excess,
    row_sums,
    shares_of,
    softmax_of,
    summed,
)
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

if TYPE_CHECKING:
    from scipy import sparse

ROWS = 4096
"""Of a step at a time."""
LEAST = 1e-4
"""By so much a probability has to stand out from its row's rest to be heard by the neighbours."""
TOLERANCE = 1e-3


def smoothed_listed(graph: NeighborGraph, start: PredictListed, strength: float, gamma: float = 3.0) -> PredictListed:
    """What smooths the predictions of `start`, which it asks for all samples."""

    def predict(labels: Int64Array, rows: Int64Array) -> SparseProbabilities:
        said = start(labels, np.arange(len(labels)))
        return smooth_listed(graph, said, strength, gamma).take(rows)

    return predict


@dataclass(frozen=True)
class _Shares:
    """Rows on their way: what stands out, float32 (n, n_classes), and the rest of each row (n,)."""

    excess: sparse.csr_array
    rest: Float32Array


def smooth_listed(
    graph: NeighborGraph,
    said: SparseProbabilities,
    strength: float = 2.0,
    gamma: float = 3.0,
    tolerance: float = TOLERANCE,
    max_iters: int = 300,
) -> SparseProbabilities:
    """What `smooth_predictions` gives of predictions that list their most probable classes, listing as many again.

    The same damped steps to the same minimum. What a row's unlisted classes have in common drops out of the softmax, so
    a step is a product of two sparse matrices. On the way a row keeps what stands out from its rest by LEAST or more:
    that, and the tolerance on how far a step moves a probability, are what it differs by.
    """
    if len(said) != len(graph.indices):
        raise ValueError(f"predictions must have a row for each of the graph's {len(graph.indices)}, got {len(said)}")
    if not strength:
        return said
    local = LocalMatrix.of(normalised_affinity(graph, gamma).astype(np.float32))
    logits, k = log_excess(said.take(local.order)), said.classes.shape[1]
    shares = _kept(logits)
    for _ in range(max_iters):
        moved, gap = _step(local.matrix, logits, shares, strength)
        shares = moved
        if gap * (1.0 + 0.5 * strength) <= tolerance:
            break
    place = local.place
    blocks = [place[block] for block in row_blocks(len(said), ROWS)]
    heard = (local.matrix[block] @ shares.excess * np.float32(strength) for block in blocks)
    ended = [softmax_of(summed([logits[block], each]), k) for block, each in zip(blocks, heard, strict=True)]
    return joined(ended, k, said.n_classes)


def _step(
    affinity: sparse.csr_array, logits: sparse.csr_array, shares: _Shares, strength: float
) -> tuple[_Shares, float]:
    """`damped_step` of all rows, and by how much it moved a probability at most."""
    from scipy import sparse

    moved, rest, gap = [], [], 0.0
    for rows in row_blocks(logits.shape[0], ROWS):
        own = shares.excess[rows]
        heard = affinity[rows] @ shares.excess * np.float32(strength)
        scores = summed([heard, logits[rows], _stay(own, shares.rest[rows]) * np.float32(0.5 * strength)])
        there = _kept(scores * np.float32(1.0 / (1.0 + 0.5 * strength)))
        gap = max(gap, _most(there.excess - own), float(np.abs(there.rest - shares.rest[rows]).max(initial=0.0)))
        moved.append(there.excess)
        rest.append(there.rest)
    return _Shares(sparse.vstack(moved, format="csr"), np.concatenate(rest)), gap


def _stay(own: sparse.csr_array, rest: Float32Array) -> sparse.csr_array:
    """The logarithm of what stands out, over that of the rest."""
    from scipy import sparse

    ratio = own.data / np.repeat(np.maximum(rest, np.finfo(np.float32).tiny), np.diff(own.indptr))
    return sparse.csr_array((np.log1p(ratio), own.indices, own.indptr), shape=own.shape)


def _kept(scores: sparse.csr_array) -> _Shares:
    """The softmax of scores, without what does not stand out by LEAST: that becomes part of the rest."""
    from scipy import sparse

    values, rest = shares_of(scores)
    sizes = np.diff(scores.indptr)
    kept = values - np.repeat(rest, sizes) >= LEAST
    row = np.repeat(np.arange(len(sizes)), sizes)
    counts = np.bincount(row[kept], minlength=len(sizes))
    starts = np.concatenate([[0], np.cumsum(counts)])
    rest = _rest(values[kept], starts, scores.shape[1])
    data = (values[kept] - rest[row[kept]]).astype(np.float32)
    indices = scores.indices[kept].astype(np.int32)
    return _Shares(sparse.csr_array((data, indices, starts), shape=scores.shape), rest.astype(np.float32))


def _rest(values: Float64Array, starts: np.ndarray, n_classes: int) -> Float64Array:
    n_left = n_classes - np.diff(starts)
    missing = np.maximum(1.0 - row_sums(values, starts), 0.0)
    return np.asarray(np.divide(missing, n_left, out=np.zeros(len(missing)), where=n_left > 0))


def _most(matrix: sparse.csr_array) -> float:
    return float(np.abs(matrix.data).max(initial=0.0))
