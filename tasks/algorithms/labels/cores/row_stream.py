"""Blocks of embeddings and labels that need not fit into memory, cut anew so that no answer depends on the shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Int64Array, check_embeddings
from windrow.tasks.algorithms.labels.folds import check_pool

# Rows at a time where nothing else is said; a reader may cut them otherwise.
BLOCK = 8192

Part = tuple[npt.NDArray[Any], Int64Array]
# Each call starts again from the first row: embeddings (b, d) and labels int64 (b,), -1 for none, any b at a time.
RowStream = Callable[[], Iterable[Part]]


def array_stream(embeddings: npt.NDArray[Any], labels: Int64Array) -> RowStream:
    """The stream of an array or np.memmap (n, d) and its labels (n,); it is read block by block, in order."""
    check_pool(embeddings, labels)

    def blocks() -> Iterator[Part]:
        for start in range(0, len(labels), BLOCK):
            yield np.asarray(embeddings[start : start + BLOCK]), labels[start : start + BLOCK]

    return blocks


def labelled_blocks(stream: RowStream, n_classes: int, size: int = BLOCK) -> Iterator[Part]:
    """The labelled rows in their order, `size` at a time whatever the stream's own blocks; the last block has the rest.

    Raises ValueError for rows that are not finite, labels out of range, and blocks of another dim or length.
    """
    held: list[Part] = []
    n_held, dim = 0, None
    for embeddings, labels in stream():
        dim = _check(embeddings, labels, n_classes, dim)
        there = labels >= 0
        held.append((embeddings[there], labels[there]))
        n_held += int(there.sum())
        if n_held < size:
            continue
        rows, own = _joined(held)
        whole = n_held - n_held % size
        yield from ((rows[start : start + size], own[start : start + size]) for start in range(0, whole, size))
        held, n_held = [(rows[whole:], own[whole:])], n_held - whole
    if n_held:
        yield _joined(held)


def class_counts(stream: RowStream, n_classes: int) -> tuple[Int64Array, int]:
    """How many labels each class has, int64 (n_classes,), and the dim, in one pass. Raises ValueError without any."""
    if n_classes < 1:
        raise ValueError(f"n_classes must be positive, got {n_classes}")
    counts, dim = np.zeros(n_classes, dtype=np.int64), 0
    for embeddings, labels in labelled_blocks(stream, n_classes):
        counts += np.bincount(labels, minlength=n_classes)
        dim = embeddings.shape[1]
    if not dim:
        raise ValueError("labels must hold at least one label, all are -1")
    return counts, dim


def _joined(held: list[Part]) -> Part:
    if len(held) == 1:
        return held[0]
    return np.concatenate([rows for rows, _ in held]), np.concatenate([labels for _, labels in held])


def _check(embeddings: npt.NDArray[Any], labels: Int64Array, n_classes: int, dim: int | None) -> int:
    check_embeddings("embeddings", embeddings)
    check_pool(embeddings, labels)
    if dim not in (None, embeddings.shape[1]):
        raise ValueError(f"embeddings must all have dim {dim}, got {embeddings.shape[1]}")
    if labels.dtype != np.int64 or (len(labels) and not -1 <= labels.min() <= labels.max() < n_classes):
        raise ValueError(f"labels must be int64 from -1 to {n_classes - 1}, got {labels.dtype} {set(labels.tolist())}")
    return int(embeddings.shape[1])
