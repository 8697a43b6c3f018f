"""How many levels, how many clusters in each, and how many members a resampling round keeps: settings to start from.

The constants were measured: tests/benchmarks/bench_levels.py compares each with its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.clustering.points import check_at_least

LEAST_MEAN_SIZE = 6.0  # samples of a finest cluster in a small pool; with 4, half of the clusters were single samples
USUAL_MEAN_SIZE, USUAL_POOL, GROWTH = 10.0, 1e5, 0.2  # in a larger one; 60 at the 743M of the paper, which has 74
TOP_EXPONENT = 0.5  # coarsest clusters are n^0.5: 27,000 at 743M (the paper has 10,000, DINOv3 25,000 at 17B)
RATIO = 4.5  # between levels
LEAST_RATIO = 1.4  # of a second level: in small pools even that balances better than one level
LEAST_RESAMPLED = 2  # one member of each cluster is its centroid again
CLUSTERS_A_SAMPLE = 10  # wanted: more finest clusters than this for each sample that is wanted cost time only


@dataclass(frozen=True)
class LevelSettings:
    """Settings of a hierarchy, finest level first, and why each level is what it is, in a sentence."""

    n_clusters: tuple[int, ...]
    n_resamples: tuple[int, ...]
    reasons: tuple[str, ...]


def propose_levels(n: int, target_size: int | None = None, n_levels: int | None = None) -> LevelSettings:
    """Settings for n samples, of which target_size are wanted (by default any number), of n_levels if that is given.

    Finest clusters hold 10 samples on average at 100,000, growing as n^0.2, and never fewer than 6. The coarsest level
    has about n^0.5 clusters: fewer than the kinds of things that a pool holds cost balance (0.07 of the entropy on the
    mixture of bench_clustering.py), more hardly any. Between them each level has about 4.5 times fewer clusters than
    the one below, at least three times where there are three levels or more.

    The finest level matters beyond what it gives: it flattens the density for the levels above. So a target lowers
    n_clusters only where there would be more than 10 clusters for each sample that is wanted, and never below the
    coarsest level. A number of levels changes the ratio between them, not the finest and the coarsest; one level is the
    finest; in a pool too small for as many different numbers there are fewer.
    """
    check_at_least("n_levels", 1 if n_levels is None else n_levels, 1)
    check_at_least("n", n, 1)
    check_at_least("target_size", 1 if target_size is None else target_size, 1)
    finest = max(1.0, n / max(LEAST_MEAN_SIZE, USUAL_MEAN_SIZE * (n / USUAL_POOL) ** GROWTH))
    coarsest = min(n**TOP_EXPONENT, finest)
    enough = finest if target_size is None else max(CLUSTERS_A_SAMPLE * target_size, coarsest)
    n_clusters = _levels(min(finest, enough), coarsest, n_levels)
    n_resamples = half_mean_sizes(n, n_clusters)
    return LevelSettings(n_clusters, n_resamples, _reasons(n, n_clusters, n_resamples, enough < finest))


def _levels(finest: float, coarsest: float, n_levels: int | None) -> tuple[int, ...]:
    """Numbers in about equal ratios, strictly decreasing."""
    usual = max(round(np.log(finest / coarsest) / np.log(RATIO)), int(finest / coarsest >= LEAST_RATIO))
    steps = usual if n_levels is None else n_levels - 1
    ratio = (finest / coarsest) ** (1 / max(steps, 1))
    return tuple(dict.fromkeys(max(1, round(finest / ratio**step)) for step in range(steps + 1)))


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
    below = (n, *n_clusters[:-1])
    members = ["samples", *(f"clusters of level {level}" for level in range(1, len(n_clusters)))]
    why = [f"{RATIO} times fewer than below is usual"] * len(n_clusters)
    why[-1] = f"about n^{TOP_EXPONENT} at the top, more than most pools have classes"
    of_target = f"beyond {CLUSTERS_A_SAMPLE} for each wanted sample, more only cost time"
    why[0] = of_target if limited else "with fewer in each, many clusters would be single samples"
    levels = zip(below, n_clusters, members, why, n_resamples, strict=True)
    return tuple(
        f"about {items / k:,.1f} {what} each: {reason}; a resampling round keeps {r}"
        for items, k, what, reason, r in levels
    )
