"""Predictions as they are stored: the few most probable classes of each sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Float64Array, Int32Array, Int64Array


@dataclass(frozen=True)
class SparseProbabilities:
    """The k most probable classes of each of n samples, most probable first; the lowest class first of equals.

    classes: int64 or int32 (n, k), from 0 to n_classes - 1, -1 in a slot without a class; probabilities: float32
    (n, k), 0 there. What a row lacks to 1 belongs to the classes that are not listed, in equal shares.
    """

    classes: npt.NDArray[Any]
    probabilities: Float32Array
    n_classes: int

    def __post_init__(self) -> None:
        if self.classes.ndim != 2 or self.classes.shape != self.probabilities.shape:
            shapes = f"{self.classes.shape} and {self.probabilities.shape}"
            raise ValueError(f"classes and probabilities must have one shape (n, k), got {shapes}")
        if self.classes.size and not -1 <= self.classes.min() <= self.classes.max() < self.n_classes:
            found = f"{self.classes.min()} to {self.classes.max()}"
            raise ValueError(f"classes must be from -1 to {self.n_classes - 1}, got {found}")

    def __len__(self) -> int:
        return len(self.classes)

    @classmethod
    def of(cls, probabilities: Float32Array, k: int) -> SparseProbabilities:
        """Of dense rows (n, n_classes). Raises ValueError unless 1 <= k <= n_classes."""
        if probabilities.ndim != 2 or not 1 <= k <= probabilities.shape[1]:
            raise ValueError(f"k must be from 1 to the number of classes of {probabilities.shape}, got {k}")
        classes = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
        return cls(classes, np.take_along_axis(probabilities, classes, axis=1), probabilities.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """That of the dense rows, (n, n_classes)."""
        return len(self.classes), self.n_classes

    def take(self, rows: slice | Int32Array | Int64Array | BoolArray) -> SparseProbabilities:
        """Some of the rows."""
        return replace(self, classes=self.classes[rows], probabilities=self.probabilities[rows])

    def rest(self) -> Float64Array:
        """What each class that a row does not list gets, float64 (n,); 0 where all are listed."""
        n_left = self.n_classes - (self.classes >= 0).sum(axis=1)
        missing = np.maximum(1.0 - self.probabilities.sum(axis=1, dtype=np.float64), 0.0)
        share: Float64Array = np.divide(missing, n_left, out=np.zeros(len(self)), where=n_left > 0)
        return share

    def of_class(self, labels: Int64Array) -> Float64Array:
        """Each row's probability of its class in labels, int64 (n,), 0 to n_classes - 1: float64 (n,)."""
        listed = self.classes == labels[:, None]
        value = np.where(listed, self.probabilities, 0).sum(axis=1, dtype=np.float64)
        return np.asarray(np.where(listed.any(axis=1), value, self.rest()))

    def dense(self, rows: slice | Int64Array | BoolArray = slice(None)) -> Float32Array:
        """Some rows over all classes: float32 (m, n_classes)."""
        classes, values = self.classes[rows], self.probabilities[rows]
        full = np.repeat(self.rest()[rows].astype(np.float32)[:, None], self.n_classes, axis=1)
        row, slot = np.nonzero(classes >= 0)
        full[row, classes[row, slot]] = values[row, slot]
        return full


Probabilities = Float32Array | SparseProbabilities
"""Of n samples over all classes: dense (n, n_classes), or listing the most probable of each."""


def dense_rows(said: Probabilities, rows: slice | Int64Array | BoolArray = slice(None)) -> Float32Array:
    """Some rows over all classes: float32 (m, n_classes)."""
    return said.dense(rows) if isinstance(said, SparseProbabilities) else said[rows]


def some_rows(said: Probabilities, rows: slice | Int64Array | BoolArray) -> Probabilities:
    """Some rows, as they are held."""
    return said.take(rows) if isinstance(said, SparseProbabilities) else said[rows]


def first_class(said: Probabilities) -> Int64Array:
    """The most probable class of each row, int64 (n,), the lowest of equals."""
    if isinstance(said, SparseProbabilities):
        return np.maximum(said.classes[:, 0].astype(np.int64), 0)
    return np.asarray(said.argmax(axis=1), np.int64)


def probability_of(said: Probabilities, labels: Int64Array) -> Float32Array:
    """Each row's probability of its class in labels, int64 (n,): float32 (n,)."""
    if isinstance(said, SparseProbabilities):
        return said.of_class(labels).astype(np.float32)
    return np.asarray(said[np.arange(len(said)), labels])


def of_labels(said: Probabilities, labels: Int64Array) -> Probabilities:
    """A copy, in which rows with a label, int64 (n,), are of that class for sure; -1: none."""
    rows = np.flatnonzero(labels >= 0)
    if not isinstance(said, SparseProbabilities):
        sure = said.copy()
        sure[rows] = np.eye(said.shape[1], dtype=np.float32)[labels[rows]]
        return sure
    classes, shares = said.classes.copy(), said.probabilities.copy()
    classes[rows], shares[rows] = -1, 0.0
    classes[rows, 0], shares[rows, 0] = labels[rows], 1.0
    return SparseProbabilities(classes, shares, said.n_classes)
