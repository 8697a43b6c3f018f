"""Rows that list their most probable classes, as sparse matrices: what they list stands out from what they do not.

A row's unlisted classes share one value, its rest. Less its rest, a row is sparse, and so are sums of such rows; and
where logarithms are taken for scores, what all classes of a row have in common drops out of the softmax. So means over
neighbours, powers and products of listed rows are as exact as the rows are, and cost what is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

if TYPE_CHECKING:
    from scipy import sparse

GROUPS = 4
"""Groups of columns, for each wanted value, whose largest values tell which can be among the wanted."""


def excess(said: SparseProbabilities) -> sparse.csr_array:
    """By how much each listed class stands out from the rest of its row: float32 (n, n_classes)."""
    return _stacked(said, lambda part: part.probabilities - part.rest()[:, None])


def log_excess(said: SparseProbabilities) -> sparse.csr_array:
    """The same of logarithms: scores whose softmax is `said`, where an unlisted class has 0. Below 1e-7 counts 1e-7."""
    return _stacked(said, _log_excess)


def _log_excess(said: SparseProbabilities) -> Float64Array:
    logs = np.log(np.maximum(said.probabilities.astype(np.float64), SMALLEST_PROBABILITY))
    return np.asarray(logs - log_rest(said)[:, None])


def _stacked(said: SparseProbabilities, values: Callable[[SparseProbabilities], Float64Array]) -> sparse.csr_array:
    from scipy import sparse

    if not len(said):
        return sparse.csr_array(said.shape, dtype=np.float32)
    parts = [said.take(block) for block in row_blocks(len(said))]
    return sparse.vstack([matrix_of(part, values(part).astype(np.float32)) for part in parts], format="csr")


def log_rest(said: SparseProbabilities) -> Float64Array:
    """The logarithm (n,) of what a class gets that a row does not list, of 1e-7 where that is less."""
    return np.asarray(np.log(np.maximum(said.rest(), SMALLEST_PROBABILITY)))


def matrix_of(said: SparseProbabilities, values: npt.NDArray[Any]) -> sparse.csr_array:
    """The matrix (n, n_classes) that has values (n, k) where `said` lists a class, 0 elsewhere."""
    from scipy import sparse

    there = said.classes >= 0
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    order = np.argsort(np.where(there, said.classes, said.n_classes), axis=1, kind="stable")
    sizes = np.diff(starts)
    kept = np.arange(said.classes.shape[1]) < sizes[:, None]
    classes = np.take_along_axis(said.classes, order, axis=1)[kept].astype(np.int32)
    shape = (len(said), said.n_classes)
    return sparse.csr_array((np.take_along_axis(values, order, axis=1)[kept], classes, starts), shape=shape)


def summed(parts: Sequence[sparse.csr_array]) -> sparse.csr_array:
    """The sum of matrices of one shape: one product, which takes them in any order of columns."""
    from scipy import sparse

    own = sparse.eye_array(parts[0].shape[0], dtype=np.float32, format="csr")
    return sparse.hstack([own] * len(parts), format="csr") @ sparse.vstack(parts, format="csr")


def softmax_of(scores: sparse.csr_array, k: int) -> SparseProbabilities:
    """The softmax of each row (n, n_classes), where what is not stored scores 0: its k most probable classes."""
    values, rest = shares_of(scores)
    return listed(scores, values, rest, k)


def shares_of(scores: sparse.csr_array) -> tuple[Float64Array, Float64Array]:
    """The softmax of each row, where what is not stored scores 0: of what is stored (nnz,), and of any other (n,)."""
    sizes = np.diff(scores.indptr)
    data = scores.data.astype(np.float64)
    top = np.maximum(row_max(data, scores.indptr), 0.0)
    powers = np.exp(data - np.repeat(top, sizes))
    other = np.exp(-top)
    total = row_sums(powers, scores.indptr) + (scores.shape[1] - sizes) * other
    return powers / np.repeat(total, sizes), other / total


def listed(pattern: sparse.csr_array, values: Float64Array, rest: Float64Array, k: int) -> SparseProbabilities:
    """The k most probable of the classes that rows (n, n_classes) store, with these values (nnz,), lowest class first
    of equals; what a row does not store has its rest (n,), and is listed after what is above it only."""
    sizes, least = np.diff(pattern.indptr), rest.copy()
    full = np.flatnonzero(sizes > k)
    least[full] = np.maximum(least[full], kth_largest(values, pattern.indptr, full, k))
    row = np.repeat(np.arange(len(sizes)), sizes)
    entries = np.flatnonzero(values >= least[row])
    order = entries[np.lexsort((pattern.indices[entries], -values[entries], row[entries]))]
    place = np.arange(len(order)) - np.searchsorted(row[order], row[order], side="left")
    order, place = order[place < k], place[place < k]
    width = min(k, pattern.shape[1])
    classes = np.full((len(sizes), width), -1, np.int32)
    shares = np.zeros((len(sizes), width), np.float32)
    classes[row[order], place] = pattern.indices[order]
    shares[row[order], place] = values[order]
    return SparseProbabilities(classes, shares, pattern.shape[1])


def kth_largest(values: npt.NDArray[Any], starts: Int64Array, rows: Int64Array, k: int) -> npt.NDArray[Any]:
    """The k-th largest of the values (nnz,) of each of these rows, which have as many; they are not below 0."""
    if not len(rows):
        return np.empty(0, values.dtype)
    sizes = np.diff(starts)[rows]
    there = np.arange(sizes.max()) < sizes[:, None]
    wide = np.zeros(there.shape, values.dtype)
    wide[there] = values[np.repeat(starts[rows] - np.append(0, np.cumsum(sizes)[:-1]), sizes) + np.arange(sizes.sum())]
    last = int(sizes.max()) - k
    return np.asarray(np.partition(wide, last, axis=1)[:, last])


def row_sums(values: npt.NDArray[Any], starts: npt.NDArray[Any]) -> Float64Array:
    """The sum (n,) of each row's values (nnz,); 0 of an empty one."""
    return _by_row(np.add, values, starts, 0.0)


def row_max(values: npt.NDArray[Any], starts: npt.NDArray[Any]) -> Float64Array:
    """The largest (n,) of each row's values (nnz,); -inf of an empty one."""
    return _by_row(np.maximum, values, starts, -np.inf)


def _by_row(how: np.ufunc, values: npt.NDArray[Any], starts: npt.NDArray[Any], empty: float) -> Float64Array:
    found = np.full(len(starts) - 1, empty)
    there = np.flatnonzero(np.diff(starts))
    if len(there):
        found[there] = how.reduceat(values, starts[:-1][there])
    return found


def most_probable(block: Float32Array, k: int) -> SparseProbabilities:
    """What `SparseProbabilities.of` gives of dense rows (m, n_classes), in the time of a few looks at them."""
    m, n_classes = block.shape
    if k >= n_classes // 2:
        return SparseProbabilities.of(block, min(k, n_classes))
    width = max(n_classes // (GROUPS * k), 1)
    whole = n_classes // width * width
    # The k largest of the groups' largest are k different values: no wanted value is below the least of them.
    highest = block[:, :whole].reshape(m, -1, width).max(axis=2)
    least = np.partition(highest, highest.shape[1] - k, axis=1)[:, highest.shape[1] - k]
    row, column = np.nonzero(block >= least[:, None])
    order = np.lexsort((-block[row, column], row))
    starts = np.searchsorted(row, np.arange(m))
    chosen = order[starts[:, None] + np.arange(k)]
    classes = column[chosen].astype(np.int32)
    return SparseProbabilities(classes, np.take_along_axis(block, classes.astype(np.int64), axis=1), n_classes)


def joined(parts: list[SparseProbabilities], width: int, n_classes: int) -> SparseProbabilities:
    """The rows of parts, one after the other, of `width` slots."""
    n = sum(map(len, parts))
    classes, shares = np.full((n, width), -1, np.int32), np.zeros((n, width), np.float32)
    start = 0
    for part in parts:
        rows = slice(start, start + len(part))
        classes[rows, : part.classes.shape[1]] = part.classes
        shares[rows, : part.classes.shape[1]] = part.probabilities
        start += len(part)
    return SparseProbabilities(classes, shares, n_classes)
