"""DASO's blend: the more often a class is predicted, the more its samples listen to the prototypes."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, row_blocks
from windrow.tasks.algorithms.labels.pool_statistics import check_rows


def blend_shares(linear: Float32Array, temperature: float = 1.5) -> Float64Array:
    """The share (n_classes,) of the semantic prediction for samples of each predicted class, from 0 to 1.

    Oh, Kim and Kweon 2022, DASO, equation 5: (m_c / max m)^(1 / temperature), m the number of samples whose most
    probable class is c. The most predicted class listens to the prototypes alone, one never predicted not at all.
    """
    check_rows("linear", linear)
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    counts = np.bincount(linear.argmax(axis=1), minlength=linear.shape[1]).astype(np.float64)
    return np.asarray((counts / max(counts.max(), 1.0)) ** (1.0 / temperature))


def blend(
    linear: Float32Array, semantic: Float32Array, temperature: float = 1.5, shares: Float64Array | None = None
) -> Float32Array:
    """(1 - v) linear + v semantic, with v the share of the row's most probable class in linear: (n, n_classes).

    linear: a probe's probabilities, which lean to the classes that had more labels. semantic: those of similarity to
    class prototypes (class means, each counting the same), which lean to rare ones: DASO takes softmax(cosine / 0.05).
    The class of a row is the lowest of equals. Rows that sum to 1 stay so. shares (n_classes,): those of another pool,
    by default these rows' `blend_shares`.
    """
    if linear.shape != semantic.shape:
        raise ValueError(f"linear and semantic must have one shape, got {linear.shape} and {semantic.shape}")
    shares = blend_shares(linear, temperature) if shares is None else shares
    if shares.shape != linear.shape[1:]:
        raise ValueError(f"shares must be one for each of {linear.shape[1]} classes, got shape {shares.shape}")
    blended = np.empty(linear.shape, dtype=np.float32)
    for rows in row_blocks(len(linear)):
        share = shares[linear[rows].argmax(axis=1)][:, None]
        blended[rows] = (1.0 - share) * linear[rows] + share * semantic[rows]
    return blended
