"""Hierarchical k-means with resampling (Vo et al. 2024, arXiv 2405.15613, section 3).

Level 1 clusters the points; level l + 1 clusters the centroids of level l, one vote a cluster, which flattens the
density of the centroids from p^(d/(d+2)) towards uniform. Within a level, each resampling round keeps a few members of
every cluster, clusters that sample afresh and assigns all points of the level again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Int32Array, Int64Array, row_blocks
from windrow.tasks.algorithms.clustering.kmeans import Iteration, KMeans, fitted, kmeans
from windrow.tasks.algorithms.clustering.level_settings import half_mean_sizes
from windrow.tasks.algorithms.clustering.nearest import assign
from windrow.tasks.algorithms.clustering.points import (
    Points,
    Resources,
    Taken,
    block_rows,
    check_at_least,
    check_points,
)
from windrow.tasks.algorithms.clustering.split_kmeans import split_kmeans
from windrow.tasks.algorithms.clustering.tree_search import assign_by_tree

Sampling = Literal["closest", "uniform"]
EXACT_UP_TO = 20_000  # clusters of a level: beyond, it is split in two steps, and points go down a tree
SORTED_AT_ONCE = 2**22  # points that resampling sorts together: 100 MB


@dataclass(frozen=True)
class Level:
    """One level's clusters.

    centroids: float32 (k, d); assignment: int32, the cluster of each item of the level below (at level 1, of each
    sample); sizes: int64 (k,), items of the level below in each cluster; n_samples: int64 (k,), samples under each
    cluster; mean_distance: float64 (k,), of the items to their centroid; cluster_inertia: float64 (k,), the sum of the
    squares of these distances.
    """

    centroids: Float32Array
    assignment: Int32Array
    sizes: npt.NDArray[np.int64]
    n_samples: npt.NDArray[np.int64]
    mean_distance: npt.NDArray[np.float64]
    cluster_inertia: npt.NDArray[np.float64]

    @property
    def inertia(self) -> float:
        """The sum of squared distances of all items to their centroids."""
        return float(self.cluster_inertia.sum())


@dataclass(frozen=True)
class Hierarchy:
    """The tree. Every cluster of every level has at least one sample.

    levels[0] is level 1, the finest; paths: int32 (n, n_levels), each sample's cluster at every level, finest first;
    distance: float32 (n,), Euclidean, to the finest centroid.
    """

    levels: tuple[Level, ...]
    paths: Int32Array
    distance: Float32Array


class Checkpoints(Protocol):
    """Where the centroids of a finished round are kept. Round 0 is a level's first k-means."""

    def load(self, level: int, round_: int) -> Float32Array | None:
        """The centroids, or None where that round is not known."""

    def save(self, level: int, round_: int, centroids: Float32Array) -> None:
        """Keep the centroids; older rounds of the level are not asked for again."""


@dataclass(frozen=True)
class Plan:
    """What to build: see `hierarchical_kmeans`."""

    n_clusters: Sequence[int]
    n_resamples: Sequence[int]
    n_rounds: int
    n_iters: int
    sampling: Sampling
    seed: int
    start: Sequence[Float32Array] | None


def hierarchical_kmeans(
    points: Points,
    n_clusters: Sequence[int] = (1000, 300),
    *,
    n_resamples: Sequence[int] | None = None,
    n_rounds: int = 10,
    n_iters: int = 50,
    sampling: Sampling = "closest",
    seed: int,
    start: Sequence[Float32Array] | None = None,
    resources: Resources | None = None,
    checkpoints: Checkpoints | None = None,
    progress: Callable[[str], None] | None = None,
    iterations: Callable[[Iteration], None] | None = None,
) -> Hierarchy:
    """Clusters points, float16 or float32 (n, d), into len(n_clusters) levels, finest first.

    n_resamples: members kept of each cluster in a resampling round, one number a level; by default half the mean
    cluster size (`half_mean_sizes`). n_rounds: resampling rounds a level, 0 for none. sampling: which members a round
    keeps, the closest to the centroid or a uniform draw.

    start: centroids of each level, float32 (j <= k, d), of an earlier tree over other points: each level begins at
    them instead of at a k-means of its own, and every round goes on from the last, so that clusters keep their numbers
    as far as they stay what they were. Seeding adds centroids where there are fewer than n_clusters.

    checkpoints: keeps each round's centroids and begins after the last round that it knows; the answer is the same
    bytes as without. progress is called with a line of text before each k-means: n_rounds + 1 times a level;
    iterations with each Lloyd iteration of these.

    A level of more than EXACT_UP_TO clusters is made in two steps (`split_kmeans`), and its items go to a centroid that
    is nearly always, not always, the nearest (`assign_by_tree`); all others go to the nearest.

    A level never has more clusters than it has distinct items: n_clusters is an upper bound, level by level. Raises
    ValueError for n_clusters that do not strictly decrease, and for a point that is not finite, naming the first row.
    """
    check_points(points)
    _check_levels(n_clusters, n_resamples, n_rounds, sampling)
    if start is not None and len(start) != len(n_clusters):
        raise ValueError(f"start: expected centroids of {len(n_clusters)} levels, got {len(start)}")
    if n_resamples is None:
        n_resamples = half_mean_sizes(len(points), n_clusters)
    plan = Plan(n_clusters, n_resamples, n_rounds, n_iters, sampling, seed, start)
    resources = resources or Resources()
    items: Points = points
    fits: list[KMeans] = []
    for level in range(1, len(n_clusters) + 1):
        fit = _Level(items, level, plan, resources, checkpoints, progress, iterations).fit()
        items = fit.centroids
        fits.append(fit)
    return tree(fits, resources)


class _Level:
    """One level: k-means on all its items, then rounds of k-means on a sample of them."""

    def __init__(
        self,
        items: Points,
        level: int,
        plan: Plan,
        resources: Resources,
        checkpoints: Checkpoints | None,
        progress: Callable[[str], None] | None,
        iterations: Callable[[Iteration], None] | None,
    ) -> None:
        self.items, self.level, self.plan, self.resources = items, level, plan, resources
        self.checkpoints, self.iterations = checkpoints, iterations
        self.say = progress or (lambda _: None)
        self.k = min(plan.n_clusters[level - 1], len(items))

    def fit(self) -> KMeans:
        """The clusters after the last round."""
        done, fit = self._known()
        for number in range(done + 1, self.plan.n_rounds + 1):
            fit = self._again(self._round(fit, number))
            self._save(number, fit)
        return fit

    def _known(self) -> tuple[int, KMeans]:
        """The last round that a checkpoint knows, or a first k-means as round 0."""
        for number in range(self.plan.n_rounds, -1, -1) if self.checkpoints else ():
            centroids = self.checkpoints.load(self.level, number) if self.checkpoints else None
            if centroids is not None:
                self.say(f"level {self.level}: going on after round {number} of {self.plan.n_rounds}")
                return number, self._again(centroids)
        start = None if self.plan.start is None else self.plan.start[self.level - 1][: self.k]
        if start is not None and self.plan.n_rounds:
            self.say(f"level {self.level}: {len(self.items):,} items to {len(start):,} clusters of the earlier tree")
            fit = self._again(start)
        else:
            self.say(f"level {self.level}: {len(self.items):,} items into {self.k:,} clusters")
            fit = self._again(self._kmeans(self.items, self._seed(0), start))
        self._save(0, fit)
        return 0, fit

    def _round(self, fit: KMeans, number: int) -> Float32Array:
        r = self.plan.n_resamples[self.level - 1]
        rows = resample(fit.assignment, fit.distance, r, self.plan.sampling, self._seed(number, 1))
        self.say(f"level {self.level}: resampling round {number} of {self.plan.n_rounds} on {len(rows):,} items")
        init = None if self.plan.start is None else fit.centroids
        return self._kmeans(Taken(self.items, rows), self._seed(number), init)

    def _kmeans(self, points: Points, seed: int, init: Float32Array | None) -> Float32Array:
        k, n_iters = min(self.k, len(points)), self.plan.n_iters
        how: dict[str, Any] = {
            "seed": seed,
            "n_iters": n_iters,
            "resources": self.resources,
            "progress": self.iterations,
        }
        if k > EXACT_UP_TO and init is None:
            return split_kmeans(points, k, **how)
        return kmeans(points, k, init=None if init is None else init[:k], **how).centroids

    def _again(self, centroids: Float32Array) -> KMeans:
        assignment, distance = assign_level(self.items, centroids, self.resources)
        return fitted(centroids, assignment, distance, 0)

    def _save(self, number: int, fit: KMeans) -> None:
        if self.checkpoints:
            self.checkpoints.save(self.level, number, fit.centroids)

    def _seed(self, *key: int) -> int:
        """A seed of its own for each level, round and purpose."""
        entropy = (self.plan.seed, self.level, *key)
        return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])


def assign_level(items: Points, centroids: Float32Array, resources: Resources) -> tuple[Int32Array, Float32Array]:
    """Each item's centroid, int32 (n,), and the distance, float32 (n,): the nearest of up to EXACT_UP_TO."""
    nearest = assign if len(centroids) <= EXACT_UP_TO else assign_by_tree
    return nearest(items, centroids, resources=resources)


def resample(
    assignment: Int32Array,
    distance: Float32Array,
    n_resamples: int,
    sampling: Sampling,
    seed: int,
) -> Int64Array:
    """Rows of at most n_resamples members of every cluster, ascending.

    'closest' keeps the lowest distances (ties to the lowest row), 'uniform' draws without replacement. Clusters are
    sorted together as far as they have SORTED_AT_ONCE members or fewer.
    """
    sizes = np.bincount(assignment)
    group = (np.cumsum(sizes) - 1) // SORTED_AT_ONCE
    keep = np.zeros(len(assignment), bool)
    for number in np.unique(group[sizes > 0]):
        first, last = np.flatnonzero((group == number) & (sizes > 0))[[0, -1]]
        rows = np.flatnonzero((assignment >= first) & (assignment <= last))
        key = distance[rows] if sampling == "closest" else _uniform(rows, seed)
        order = np.lexsort((key, assignment[rows]))
        members = np.bincount(assignment[rows] - first)
        place = np.arange(len(order)) - np.repeat(np.cumsum(members) - members, members)
        keep[rows[order[place < n_resamples]]] = True
    return np.flatnonzero(keep)


def _uniform(rows: Int64Array, seed: int) -> npt.NDArray[np.uint64]:
    """A random number for each row, the same in whatever company ('splitmix64', Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        mixed = np.uint64(seed) + (rows.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def tree(fits: Sequence[KMeans], resources: Resources) -> Hierarchy:
    """The hierarchy of levels that each cluster the centroids of the one below."""
    n = len(fits[0].assignment)
    paths = resources.scratch((n, len(fits)), np.int32)
    for rows in row_blocks(n, block_rows(len(fits))):
        paths[rows, 0] = fits[0].assignment[rows]
        for below, fit in enumerate(fits[1:]):
            paths[rows, below + 1] = fit.assignment[paths[rows, below]]
    levels = []
    n_samples = np.ones(0, np.int64)
    for number, fit in enumerate(fits):
        k = len(fit.centroids)
        sizes = np.bincount(fit.assignment, minlength=k)
        n_samples = np.bincount(fit.assignment, n_samples, k).astype(np.int64) if number else sizes
        mean = np.bincount(fit.assignment, fit.distance, k) / np.maximum(sizes, 1)
        inertia = np.bincount(fit.assignment, np.square(fit.distance, dtype=np.float64), k).astype(np.float64)
        levels.append(Level(fit.centroids, fit.assignment, sizes, n_samples, mean, inertia))
    return Hierarchy(tuple(levels), paths, fits[0].distance)


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
    check_at_least("n_rounds", n_rounds, 0)
