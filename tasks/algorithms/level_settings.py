"""How many levels, how many clusters in each, and how many members a resampling round keeps: settings to start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.points import check_at_least

LEAST_MEAN_SIZE = 4.0  # samples of a finest cluster in a small pool,
USUAL_MEAN_SIZE, USUAL_POOL, GROWTH = 10.0, 1e5, 0.2  # and in a larger one; 60 at the paper's 743M, which has 74
TOP_EXPONENT = 0.45  # the coarsest level has about n^0.45 clusters: 10,000 at 743M, as the paper
RATIO = 4.5  # between levels
LEAST_RESAMPLED = 2  # one member of each cluster is its centroid again


@dataclass(frozen=True)
class LevelSettings:
    """Settings of a hierarchy, finest level first, and a sentence about each level."""

    n_clusters: tuple[int, ...]
    n_resamples: tuple[int, ...]
    reasons: tuple[str, ...]


def propose_levels(n: int, target_size: int | None = None) -> LevelSettings:
    """Settings for n samples, of which target_size are wanted (by default any number).

    Finest clusters hold 10 samples on average at 100,000, growing as n^0.2, and never fewer than 4; with a target, no
    more clusters than it has samples, as a cluster that gives none decides nothing. The coarsest level has about n^0.45
    clusters. Between them each level has about 4.5 times fewer clusters than the one below: more levels than the
    paper's, as they balanced better (measured on long-tailed digits and CIFAR-10: 3 levels before 2, at about equal top
    levels; mean sizes of 6 and more balanced worse than 4 on 400 digits, 0.93 against 0.96).
    """
    check_at_least("n", n, 1)
    check_at_least("target_size", 1 if target_size is None else target_size, 1)
    mean_size = max(LEAST_MEAN_SIZE, USUAL_MEAN_SIZE * (n / USUAL_POOL) ** GROWTH)
    finest = max(1, round(n / mean_size))
    limited = target_size is not None and target_size < finest
    if target_size is not None:
        finest = min(finest, target_size)
    coarsest = max(1.0, min(n**TOP_EXPONENT, finest))
    steps = round(np.log(finest / coarsest) / np.log(RATIO))
    ratio = (finest / coarsest) ** (1 / max(steps, 1))
    n_clusters = tuple(dict.fromkeys(max(1, round(finest / ratio**step)) for step in range(steps + 1)))
    n_resamples = half_mean_sizes(n, n_clusters)
    return LevelSettings(n_clusters, n_resamples, _reasons(n, n_clusters, n_resamples, limited))


def grown_levels(n_clusters: Sequence[int], growth: float) -> tuple[int, ...]:
    """Clusters of each level, finest first, for a pool that has grown: never fewer, and as many levels.

    The finest level grows with the pool as `propose_levels` has it, n^0.8; the others as much less as they are coarser.
    """
    finest = max(n_clusters[0], 2)
    exponents = [(1 - GROWTH) * np.log(k) / np.log(finest) for k in n_clusters]
    return tuple(round(k * max(growth, 1.0) ** exponent) for k, exponent in zip(n_clusters, exponents, strict=True))


def half_mean_sizes(n: int, n_clusters: Sequence[int]) -> tuple[int, ...]:
    """Half the mean cluster size of each level over n points, rounded half up, at least 2: the paper's 10, 5, 3."""
    items = (n, *n_clusters[:-1])
    halves = (int(below / k / 2 + 0.5) for below, k in zip(items, n_clusters, strict=True))
    return tuple(max(LEAST_RESAMPLED, half) for half in halves)


def _reasons(n: int, n_clusters: Sequence[int], n_resamples: Sequence[int], limited: bool) -> tuple[str, ...]:
    reasons = []
    for number, (below, k, r) in enumerate(zip((n, *n_clusters[:-1]), n_clusters, n_resamples, strict=True), start=1):
        what = "samples" if number == 1 else f"clusters of level {number - 1}"
        why = " (as many clusters as samples are wanted)" if limited and number == 1 else ""
        reasons.append(f"{below / k:.1f} {what} each{why}; a resampling round keeps {r} of them")
    return tuple(reasons)
