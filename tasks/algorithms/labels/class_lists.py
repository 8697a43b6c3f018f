"""A list of classes for each sample, of any length."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Int64Array


@dataclass(frozen=True)
class ClassLists:
    """classes[offsets[i] : offsets[i + 1]] are sample i's, ascending: what an Arrow list array holds.

    offsets: int64 (n + 1,), from 0 to len(classes); classes: int64 (total,).
    """

    offsets: Int64Array
    classes: Int64Array

    def __post_init__(self) -> None:
        steps = np.diff(self.offsets)
        if not len(self.offsets) or self.offsets[0] or self.offsets[-1] != len(self.classes) or (steps < 0).any():
            raise ValueError(f"offsets must ascend from 0 to {len(self.classes)}, got {self.offsets.tolist()}")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, sample: int) -> Int64Array:
        if not 0 <= sample < len(self):
            raise IndexError(f"sample must be from 0 to {len(self) - 1}, got {sample}")
        return self.classes[self.offsets[sample] : self.offsets[sample + 1]]

    @property
    def sizes(self) -> Int64Array:
        """How many classes each sample has, int64 (n,)."""
        return np.diff(self.offsets)

    @classmethod
    def of(cls, member_blocks: Iterable[npt.NDArray[np.bool_]]) -> ClassLists:
        """From blocks of rows (m, n_classes), true where a class is in the list."""
        sizes, classes = [np.zeros(1, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
        for members in member_blocks:
            sizes.append(members.sum(axis=1, dtype=np.int64))
            classes.append(np.nonzero(members)[1].astype(np.int64))
        return cls(np.concatenate(sizes).cumsum(), np.concatenate(classes))

    def emptied(self, rows: npt.NDArray[np.bool_]) -> ClassLists:
        """The lists with none for the samples where rows (n,) is true."""
        if rows.shape != (len(self),):
            raise ValueError(f"rows must have shape ({len(self)},), got {rows.shape}")
        sizes = np.where(rows, 0, self.sizes)
        kept = np.repeat(~rows, self.sizes)
        return ClassLists(np.concatenate([[0], sizes.cumsum()]).astype(np.int64), self.classes[kept])

    def only(self) -> Int64Array:
        """The class of each sample whose list has just one, -1 for the others: int64 (n,)."""
        label = np.full(len(self), -1, dtype=np.int64)
        single = np.flatnonzero(self.sizes == 1)
        label[single] = self.classes[self.offsets[single]]
        return label
