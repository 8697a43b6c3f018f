"""From which cosine similarity on two samples are near-duplicates: proposed from how near distinct ones come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Float64Array

DEVIATIONS = 3.25
"""Above the median of distinct samples' nearest similarities: about 2 % of distinct samples of CIFAR-10 lie beyond it,
in two encoders and pools of 1,000 to 4,000, and half of them are dropped, one of a pair (docs/evidence/detection.md).
"""
LOWER = 0.1587
"""The share of a normal distribution that lies more than one deviation below its mean."""
LEAST_SAMPLES = 100
FALLBACK = 0.95
ROUNDS = 20
GRID = 200.0
HIGHEST = 0.99


@dataclass(frozen=True)
class DuplicateThreshold:
    """A threshold, and how it came, in words."""

    threshold: float
    how: str


def propose_threshold(nearest: Float32Array) -> DuplicateThreshold:
    """Propose a threshold from each sample's cosine similarity to the nearest other (n,).

    Fisher's z = arctanh(similarity) of distinct samples is about normal, with a longer upper tail; copies lie above it.
    So the centre and the width are taken from what copies cannot reach: the median, and the distance from it down to
    the 16th percentile, of those below the threshold, again and again until it stays. Rounded up to a multiple of
    0.005, so that a night's new samples seldom move it, and at most 0.99. Fewer than LEAST_SAMPLES, or samples that are
    all alike, get FALLBACK. The order of the samples does not matter.
    """
    z = np.arctanh(np.clip(np.sort(nearest.astype(np.float64)), -0.999, 0.9999))
    if len(z) < LEAST_SAMPLES:
        return DuplicateThreshold(FALLBACK, f"{FALLBACK} where there are fewer than {LEAST_SAMPLES} samples")
    distinct: BoolArray = np.ones(len(z), np.bool_)
    for _ in range(ROUNDS):
        median, deviation = _centre(z[distinct])
        below = z < median + DEVIATIONS * deviation
        if (below == distinct).all() or below.sum() < LEAST_SAMPLES:
            break
        distinct = below
    if not deviation > 0:
        return DuplicateThreshold(FALLBACK, f"{FALLBACK} where samples are all alike")
    threshold = np.ceil(np.tanh(median + DEVIATIONS * deviation) * GRID) / GRID
    how = f"{DEVIATIONS} deviations above the median of distinct samples' nearest, {np.tanh(median):.3f}"
    return DuplicateThreshold(float(min(threshold, HIGHEST)), how)


def _centre(z: Float64Array) -> tuple[float, float]:
    low, median = np.quantile(z, [LOWER, 0.5])
    return float(median), float(median - low)
