"""Prototypes of many classes, carried to their share of the pool: `transport_barycentres` without samples x classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import Float64Array, unit_rows, wide_blocks
from windrow.tasks.algorithms.labels.cores.standardisation import CentredRows
from windrow.tasks.algorithms.labels.many_classes.listed_rows import excess, joined, most_probable
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

if TYPE_CHECKING:
    from scipy import sparse

K = 64
"""Classes of a sample whose part in the plan is their own; the others' parts are equal."""


class Directions(Protocol):
    """A direction for each class (c, d), and what its cosines are divided by."""

    @property
    def directions(self) -> Float64Array: ...
    @property
    def temperature(self) -> float: ...


def carried_barycentres(
    plain: Directions, pool: CentredRows, smoothness: float, tolerance: float, most_scalings: int
) -> Float64Array:
    """Each class's mean (c, d), at length 1, of the pool (n, d) weighted by its row of the transport plan.

    Sinkhorn's scaling of exp(cosine / smoothness), of which a row holds its K largest entries and one number for the
    others, their mean: what a sample is least like counts little, and alike for all such classes.
    """
    kernel, rest, shares = _kernel(plain, pool, smoothness)
    scale = np.ones(len(shares))
    for _ in range(most_scalings):
        rows = 1.0 / (len(rest) * (kernel @ scale + rest * scale.sum()))
        columns = scale * (kernel.T @ rows + rows @ rest)
        if np.abs(columns - shares).max() <= tolerance:
            break
        scale *= shares / np.maximum(columns, np.finfo(np.float64).tiny)
    rows = 1.0 / (len(rest) * (kernel @ scale + rest * scale.sum()))
    sums = np.zeros_like(plain.directions)
    # A product shared among threads adds up in another order.
    with threadpool_limits(limits=1):
        for block in wide_blocks(len(rest), len(shares)):
            units = pool[block] * rows[block, None]
            sums += kernel[block].T @ units + rest[block] @ units
    return unit_rows(sums * scale[:, None])[0]


def _kernel(
    plain: Directions, pool: CentredRows, smoothness: float
) -> tuple[sparse.csr_array, Float64Array, Float64Array]:
    """What stands out in each row of the kernel (n, c), the rest (n,), and the classes' mean probabilities (c,)."""
    n, n_classes = len(pool), len(plain.directions)
    parts, shares = [], np.zeros(n_classes)
    for block in wide_blocks(n, n_classes):
        cosines = pool[block] @ plain.directions.T
        cosines -= cosines.max(axis=1, keepdims=True)
        powers = np.exp(cosines / plain.temperature)
        shares += (powers / powers.sum(axis=1, keepdims=True)).sum(axis=0)
        weights = np.exp(cosines / smoothness)
        parts.append(most_probable((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32), K))
    said: SparseProbabilities = joined(parts, min(K, n_classes), n_classes)
    # Rows may be scaled as one likes: the plan scales them again.
    return excess(said), said.rest(), shares / n
