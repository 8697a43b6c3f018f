"""CDUL's initial labels: what texts say of whole pictures and of their snippets, together.

Abdelfattah et al. 2023, CDUL: CLIP-driven unsupervised learning for multi-label image classification, section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks, unit_rows
from windrow.tasks.algorithms.clustering.points import Points
from windrow.tasks.algorithms.labels.cores.text_similarity import TextClasses

BLOCK = 1024
CLASSES_AT_ONCE = 64


@dataclass(frozen=True)
class CdulLabels:
    """The initial labels of a pool's n samples and of all classes of `texts`, made some classes at a time.

    embeddings: (n, dim), of whole pictures. snippets: (m, n_snippets * dim), those of a picture's snippets one after
    the other; snippet_rows: int64 (n,), which of these is each sample's, -1 for none. scale: CLIP's logit scale.
    """

    embeddings: Points
    snippets: Points
    snippet_rows: Int64Array
    texts: TextClasses
    scale: float

    def __post_init__(self) -> None:
        if len(self.texts.prototypes) < 2:
            raise ValueError("a softmax over classes wants two or more of them, got one")
        dim = self.embeddings.shape[1]
        if self.snippets.shape[1] % dim or len(self.snippet_rows) != len(self.embeddings):
            came = f"{self.snippets.shape} and {self.snippet_rows.shape}"
            raise ValueError(f"snippets and snippet_rows must be (m, n_snippets * {dim}) and (n,), got {came}")

    def of_classes(self, numbers: Int64Array) -> Float32Array:
        """The labels (n, len(numbers)) of some classes, from 0 to 1; NaN of samples without snippets.

        S = (S_global + S_local) / 2, each a softmax over all classes (`local_shares`).
        """
        found = np.full((len(self.embeddings), len(numbers)), np.nan, np.float32)
        for rows in self._blocks():
            shares = np.exp(self._logits(rows, numbers) - self._log_totals[rows][:, :, None])
            found[rows] = (shares[:, 0] + local_shares(shares[:, 1:])) / 2
        return found

    @cached_property
    def _log_totals(self) -> Float64Array:
        """log of the softmax's denominator (n, 1 + n_snippets): of the whole picture, then of each snippet."""
        n_classes = len(self.texts.prototypes)
        found = np.zeros((len(self.embeddings), 1 + self.snippets.shape[1] // self.embeddings.shape[1]))
        for rows in self._blocks():
            parts = [
                logsumexp(self._logits(rows, np.arange(classes.start, classes.stop)), axis=2)
                for classes in row_blocks(n_classes, CLASSES_AT_ONCE)
            ]
            found[rows] = logsumexp(np.stack(parts), axis=0)
        return found

    def _blocks(self) -> list[Int64Array]:
        there = np.flatnonzero(self.snippet_rows >= 0)
        return [there[block] for block in row_blocks(len(there), BLOCK)]

    def _logits(self, rows: Int64Array, numbers: Int64Array) -> Float64Array:
        """scale * cosine (len(rows), 1 + n_snippets, len(numbers)) of pictures and snippets with classes."""
        snippets: npt.NDArray[Any] = self.snippets[self.snippet_rows[rows]]
        views = np.concatenate([self.embeddings[rows], snippets], axis=1).reshape(-1, self.embeddings.shape[1])
        columns = unit_rows(self.texts.prototypes)[0][numbers].T
        logits = self.scale * (unit_rows(self.texts.project(views))[0] @ columns)
        return np.asarray(logits.reshape(len(rows), -1, len(numbers)))


def local_shares(shares: Float64Array) -> Float64Array:
    """What snippets say together (n, c) by the shares (n, n_snippets, c) that classes have of each.

    The largest share where it is a half or more, as one snippet is surely of the class; else the smallest.
    """
    most, least = shares.max(axis=1), shares.min(axis=1)
    return np.asarray(np.where(most >= 0.5, most, least))
