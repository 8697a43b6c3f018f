"""Hierarchical k-means with resampling (Vo et al. 2024, arXiv 2405.15613, section 3).

Level 1 clusters the points; level l + 1 clusters the centroids of level l, one vote a cluster, which flattens the
density of the centroids from p^(d/(d+2)) towards uniform. Within a level, each resampling round keeps a few members of
every cluster, clusters that sample afresh and assigns all points of the level again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.kmeans import Floats, Ints, KMeans, Points, kmeans, reassigned

Sampling = Literal["closest", "uniform"]


@dataclass(frozen=True)
class Level:
    """One level's clusters.

    centroids: float32 (k, d); assignment: int32, the cluster of each item of the level below (at level 1, of each
    sample); sizes: int64 (k,), items of the level below in each cluster; n_samples: int64 (k,), samples under each
    cluster; inertia: the sum of squared distances of the items to their centroids.
    """

    centroids: Floats
    assignment: Ints
    sizes: npt.NDArray[np.int64]
    n_samples: npt.NDArray[np.int64]
    inertia: float


@dataclass(frozen=True)
class Hierarchy:
    """The tree. Every cluster of every level has at least one sample.

    levels[0] is level 1, the finest; paths: int32 (n, n_levels), each sample's cluster at every level, finest first;
    distance: float32 (n,), Euclidean, to the finest centroid.
    """

    levels: tuple[Level, ...]
    paths: Ints
    distance: Floats


def hierarchical_kmeans(
    points: Points,
    n_clusters: Sequence[int] = (1000, 300),
    *,
    n_resamples: Sequence[int] | None = None,
    n_rounds: int = 10,
    n_iters: int = 50,
    sampling: Sampling = "closest",
    seed: int,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> Hierarchy:
    """Clusters points, float16 or float32 (n, d), into len(n_clusters) levels, finest first.

    n_resamples: members kept of each cluster in a resampling round, one number a level; by default half the mean
    cluster size (`half_mean_sizes`). n_rounds: resampling rounds a level, 0 for none. sampling: which members a round
    keeps, the closest to the centroid or a uniform draw. progress is called with a line of text before each k-means:
    n_rounds + 1 times a level.

    A level never has more clusters than it has distinct items: n_clusters is an upper bound, level by level. Raises
    ValueError for n_clusters that do not strictly decrease, and for a point that is not finite, naming the first row.
    """
    _check_levels(n_clusters, n_resamples, n_rounds, sampling)
    if n_resamples is None:
        n_resamples = half_mean_sizes(len(points), n_clusters)
    items: Points = points
    fits: list[KMeans] = []
    for number, (k, r) in enumerate(zip(n_clusters, n_resamples, strict=True), start=1):
        fit = _level(items, k, r, n_rounds, n_iters, sampling, (seed, number), device, progress)
        items = fit.centroids
        fits.append(fit)
    return _tree(fits)


def resample(
    assignment: Ints, distance: Floats, n_resamples: int, sampling: Sampling, seed: int
) -> npt.NDArray[np.int64]:
    """Rows of at most n_resamples members of every cluster, ascending.

    'closest' keeps the lowest distances (ties to the lowest row), 'uniform' draws without replacement.
    """
    key = distance if sampling == "closest" else np.random.default_rng(seed).random(len(assignment))
    order = np.lexsort((key, assignment))
    sizes = np.bincount(assignment)
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[place < n_resamples])


def half_mean_sizes(n: int, n_clusters: Sequence[int]) -> tuple[int, ...]:
    """Half the mean cluster size of each level over n points, rounded half up, at least 1: the paper's 10, 5, 3."""
    items = (n, *n_clusters[:-1])
    return tuple(max(1, int(below / k / 2 + 0.5)) for below, k in zip(items, n_clusters, strict=True))


def propose_levels(n: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(n_clusters, n_resamples) for n samples, finest first: settings to start from.

    The finest level has a mean cluster size of 10 at 100,000 samples, growing as n^0.2 (4 at 1,000; 60 at the 743M of
    the paper's web run, which has 74), and the coarsest about n^0.45 clusters (20 at 1,000; 10,000 at 743M, as there).
    Between them each level has about 4.5 times fewer clusters than the one below: more levels than the paper's, as
    they balanced better (measured on long-tailed digits and CIFAR-10: 3 levels before 2, at about equal top levels).
    """
    _check_at_least("n", n, 1)
    finest = max(1, round(n / (10 * (n / 1e5) ** 0.2)))
    coarsest = max(1.0, min(n**0.45, finest))
    steps = round(np.log(finest / coarsest) / np.log(4.5))
    ratio = (finest / coarsest) ** (1 / max(steps, 1))
    n_clusters = tuple(dict.fromkeys(max(1, round(finest / ratio**step)) for step in range(steps + 1)))
    return n_clusters, half_mean_sizes(n, n_clusters)


def _level(
    items: Points,
    k: int,
    r: int,
    n_rounds: int,
    n_iters: int,
    sampling: Sampling,
    key: tuple[int, int],
    device: str,
    progress: Callable[[str], None] | None,
) -> KMeans:
    """One level: k-means on all its items, then n_rounds of k-means on a sample of them."""
    say = progress or (lambda _: None)
    n_items = len(items)
    say(f"level {key[1]}: {n_items:,} items into {min(k, n_items):,} clusters")
    fit = kmeans(items, min(k, n_items), seed=_derived(*key, 0), n_iters=n_iters, device=device)
    for number in range(1, n_rounds + 1):
        kept = resample(fit.assignment, fit.distance, r, sampling, _derived(*key, number, 1))
        say(f"level {key[1]}: resampling round {number} of {n_rounds} on {len(kept):,} items")
        sample = kmeans(items[kept], min(k, len(kept)), seed=_derived(*key, number), n_iters=n_iters, device=device)
        fit = reassigned(sample, items, device=device)
    return fit


def _derived(*key: int) -> int:
    """A seed of its own for each level, round and purpose."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])


def _tree(fits: Sequence[KMeans]) -> Hierarchy:
    levels = []
    paths: list[Ints] = []
    for fit in fits:
        paths.append(fit.assignment if not paths else fit.assignment[paths[-1]])
        sizes, n_samples = np.bincount(fit.assignment), np.bincount(paths[-1])
        levels.append(Level(fit.centroids, fit.assignment, sizes, n_samples, fit.inertia))
    return Hierarchy(tuple(levels), np.stack(paths, axis=1), fits[0].distance)


def _check_levels(
    n_clusters: Sequence[int], n_resamples: Sequence[int] | None, n_rounds: int, sampling: Sampling
) -> None:
    if not n_clusters or min(n_clusters) < 1:
        raise ValueError(f"n_clusters: expected one or more numbers of at least 1, got {tuple(n_clusters)}")
    if any(finer <= coarser for finer, coarser in pairwise(n_clusters)):
        raise ValueError(f"n_clusters: expected strictly decreasing numbers, finest first, got {tuple(n_clusters)}")
    if n_resamples is not None and (len(n_resamples) != len(n_clusters) or min(n_resamples) < 1):
        raise ValueError(f"n_resamples: expected {len(n_clusters)} numbers of at least 1, got {tuple(n_resamples)}")
    if sampling not in ("closest", "uniform"):
        raise ValueError(f"sampling: expected 'closest' or 'uniform', got {sampling!r}")
    _check_at_least("n_rounds", n_rounds, 0)


def _check_at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
