"""The Fréchet distance between sets of vectors, as of Gaussians of their means and covariances (FID)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float64Array, Int64Array
from windrow.tasks.algorithms.selection.grid_units import group_sums, members_of


@dataclass(frozen=True)
class Moments:
    """Sums over sets of vectors, one row a set; the sums of a union are the sums of its sets' sums.

    size: (n_sets,); total: (n_sets, dim), sum of the vectors; squares: (n_sets,), sum of their squared lengths;
    products: (n_sets, r, r), sum of the outer products of what they are along r axes. All float64.
    """

    size: Float64Array
    total: Float64Array
    squares: Float64Array
    products: Float64Array

    @classmethod
    def of(cls, vectors: npt.NDArray[Any], groups: Int64Array, n_groups: int, axes: Float64Array) -> Moments:
        """Of each group, 0 to n_groups - 1, of vectors (n, dim); axes: (r, dim). n r (dim + r) flops."""
        along = vectors @ axes.T.astype(vectors.dtype)
        squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
        products = np.zeros((n_groups, len(axes), len(axes)))
        for members in members_of(groups):
            its_own = along[members].astype(np.float64)
            products[groups[members[0]]] = its_own.T @ its_own
        size = np.asarray(np.bincount(groups, minlength=n_groups), np.float64)
        squared = np.asarray(np.bincount(groups, squares, minlength=n_groups), np.float64)
        return cls(size, group_sums(vectors, groups, n_groups), squared, products)

    def at(self, sets: Any) -> Moments:
        """Some of the sets."""
        return Moments(self.size[sets], self.total[sets], self.squares[sets], self.products[sets])

    def joined(self, other: Moments) -> Moments:
        """The unions of two sets each."""
        return Moments(
            self.size + other.size,
            self.total + other.total,
            self.squares + other.squares,
            self.products + other.products,
        )


@dataclass(frozen=True)
class GaussianTarget:
    """The set that others are compared with: mean (dim,), trace of its covariance, and its root (r, dim).

    root^T root is the covariance, or its largest part where r is less than its rank.
    """

    mean: Float64Array
    trace: float
    root: Float64Array

    @classmethod
    def of(cls, vectors: npt.NDArray[Any], n_axes: int | None = None) -> GaussianTarget:
        """Of vectors (m, dim), at least one; the n_axes axes of the largest variance, by default all."""
        rows = np.asarray(vectors, np.float64)
        centred = (rows - rows.mean(axis=0)) / np.sqrt(max(len(rows) - 1, 1))
        _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
        root = (lengths[:, None] * axes)[:n_axes]
        return cls(rows.mean(axis=0), float((lengths**2).sum()), root)

    def distances(self, sets: Moments) -> Float64Array:
        """Fréchet distance of each set, float64 (n_sets,): |m - m'|^2 + tr C + tr C' - 2 tr (C C')^(1/2).

        Heusel et al. 2017 (arXiv 1706.08500), equation 6, covariances over n - 1. With C' = R^T R, the last trace is
        the sum of the roots of the eigenvalues of R C R^T, which is symmetric and as small as R has rows; so no root of
        a matrix is taken. sets: made with `axes` = root.
        """
        freedom = np.maximum(sets.size - 1, 1)
        mean = sets.total / np.maximum(sets.size, 1)[:, None]
        trace = (sets.squares - sets.size * (mean * mean).sum(axis=1)) / freedom
        along = mean @ self.root.T
        outer = along[:, :, None] * along[:, None, :]
        inner = (sets.products - sets.size[:, None, None] * outer) / freedom[:, None, None]
        common = np.sqrt(np.maximum(np.linalg.eigvalsh(inner), 0)).sum(axis=1)
        return np.asarray(((mean - self.mean) ** 2).sum(axis=1) + trace + self.trace - 2 * common)


def merged_while_closer(sets: Moments, target: GaussianTarget) -> Int64Array:
    """The order of sets in which their union comes close to the target: those merged, then the others, int64 (n_sets,).

    SnP, the search part (Yao et al. 2023, arXiv 2303.16186): by ascending distance, the first is taken, and
    each further one if the distance of the union falls with it. Equally far ones come in their order.
    """
    by_distance = np.argsort(target.distances(sets), kind="stable")
    merged, left = [by_distance[:1]], []
    union = sets.at(by_distance[:1])
    least = target.distances(union)
    for number in by_distance[1:]:
        larger = union.joined(sets.at([number]))
        distance = target.distances(larger)
        if (distance < least).all():
            union, least = larger, distance
            merged.append(np.array([number]))
        else:
            left.append(number)
    return np.concatenate([*merged, np.array(left, np.int64)])
