"""Which pairs of embeddings reach a cosine similarity, exactly, at the speed of float32.

A float32 matrix product settles every pair whose similarity is farther from the threshold than rounding can move it;
the few others are computed again in float64, one pair at a time. Whether a pair reaches the threshold is therefore a
property of the pair, not of the block it fell in: similarity(a, b) = similarity(b, a), and equal vectors are at 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array

if TYPE_CHECKING:
    import torch

Embeddings = npt.NDArray[np.floating[Any]]

TILE = 4096  # rows a matrix product
FEW = 256  # pairs whose vectors are gathered at once: they stay in the processor's cache


def check_threshold(threshold: float) -> None:
    """Raise ValueError for what is no cosine similarity that near-duplicates could have."""
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold: expected a cosine similarity in (0, 1], got {threshold}")


class CosinePairs:
    """Cosine similarities of pairs of rows, and whether they reach the threshold."""

    def __init__(self, embeddings: Embeddings, threshold: float) -> None:
        self.embeddings, self.threshold = embeddings, threshold
        self.squares = np.empty(len(embeddings))
        for start in range(0, len(embeddings), TILE):
            x = embeddings[start : start + TILE].astype(np.float64)
            self.squares[start : start + TILE] = np.einsum("ij,ij->i", x, x)
        if not np.isfinite(self.squares).all():
            raise ValueError(f"embeddings: row {int(np.flatnonzero(~np.isfinite(self.squares))[0])} is not finite")
        # d roundings of half a unit each, in the worst case, on each side of the product of two unit vectors
        self.slack = (embeddings.shape[1] + 8) * 2.0**-23

    def compare(self, left: Int64Array, right: Int64Array) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Similarity by the float32 product, and exactly whether it reaches the threshold. Both (left, right)."""
        similarity = (self._unit(left) @ self._unit(right).T).numpy()
        reached = similarity >= self.threshold
        i, j = np.nonzero(np.abs(similarity - np.float32(self.threshold)) < self.slack)
        reached[i, j] = self.similarity(left[i], right[j]) >= self.threshold
        return similarity, reached

    def similarity(self, left: Int64Array, right: Int64Array) -> npt.NDArray[np.float32]:
        """Similarity of left[i] and right[i], from float64. A zero vector has similarity 0 to everything."""
        result = np.empty(len(left), dtype=np.float32)
        for start in range(0, len(left), FEW):
            a, b = left[start : start + FEW], right[start : start + FEW]
            products = np.einsum("ij,ij->i", self.embeddings[a].astype(np.float64), self.embeddings[b])
            lengths = np.sqrt(self.squares[a] * self.squares[b])
            result[start : start + FEW] = np.clip(products / np.where(lengths > 0, lengths, 1), -1, 1)
        return result

    def unit(self, rows: Int64Array) -> Float64Array:
        """These rows at unit length (m, d); a zero vector stays one."""
        lengths = np.sqrt(self.squares[rows])
        return self.embeddings[rows].astype(np.float64) / np.where(lengths > 0, lengths, 1)[:, None]

    def _unit(self, rows: Int64Array) -> torch.Tensor:
        import torch

        return torch.from_numpy(self.unit(rows).astype(np.float32))
