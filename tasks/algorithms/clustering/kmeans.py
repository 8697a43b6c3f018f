"""Lloyd's k-means, exact, that looks again only at what may have changed.

An iteration moves the centroids to the means of their points, then finds each point's nearest centroid. Most centroids
soon stop moving: their points stay, and a sum of integers (`Blocks.scale`) that has the same terms is the same. So a
point that is still nearer to its own centroid than to any that did not move (`State.others` bounds those) is compared
with the moved ones only, and sums change by the points that changed hands. The result is that of comparing everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int32Array, Int64Array
from windrow.tasks.algorithms.clustering.blocks import Block, Blocks, Search
from windrow.tasks.algorithms.clustering.host_search import rounding
from windrow.tasks.algorithms.clustering.nearest import State, check_centroids, search_all
from windrow.tasks.algorithms.clustering.points import LOW_BITS, Points, Resources, check_at_least
from windrow.tasks.algorithms.clustering.seeding import seed_blocks

MOSTLY = 0.9  # with this share of the centroids moved, comparing with all of them costs no more
SUMMED = 8192  # rows that are summed at once, as float64


@dataclass(frozen=True)
class Iteration:
    """How an iteration went: its number, from 0 (the seeds); the inertia; points and centroids that changed."""

    number: int
    inertia: float
    n_changed: int
    n_moved: int


@dataclass(frozen=True)
class KMeans:
    """Centroids and where every point went. Every centroid has at least one point.

    centroids: float32 (k, d); assignment: int32 (n,); distance: float32 (n,), Euclidean, to the point's own centroid;
    inertia: the sum of squared distances; n_iters: Lloyd iterations run.
    """

    centroids: Float32Array
    assignment: Int32Array
    distance: Float32Array
    inertia: float
    n_iters: int


def kmeans(
    points: Points,
    n_clusters: int,
    *,
    seed: int = 0,
    n_iters: int = 50,
    init: Float32Array | None = None,
    resources: Resources | None = None,
    progress: Callable[[Iteration], None] | None = None,
) -> KMeans:
    """Lloyd's k-means from one greedy k-means++ start, until no assignment changes or n_iters iterations have run.

    points: float16 or float32 (n, d). init: float32 (j <= n_clusters, d), centroids to start from; seeding adds the
    rest. An empty cluster is re-seeded at the point farthest from its centroid. With fewer distinct points than
    n_clusters the surplus clusters stay empty and are dropped, so the result may have fewer than n_clusters centroids.
    Every point's cluster is its nearest centroid, ties to the lowest. Raises ValueError for a point that is not
    finite, naming the first such row.
    """
    check_at_least("n_iters", n_iters, 0)
    check_at_least("n_clusters", n_clusters, 1)
    blocks = Blocks(points, resources or Resources())
    if init is not None:
        check_centroids(init, blocks.dim)
        check_at_least("n_clusters", n_clusters, len(init))
    state = State.of(blocks.n, blocks.resources)
    with blocks.working():
        centroids = seed_blocks(blocks, n_clusters, state, seed=seed, centroids=init)
        lloyd = _Lloyd(blocks, centroids, state)
        say = progress or (lambda _: None)
        say(Iteration(0, lloyd.inertia(), blocks.n, len(centroids)))
        number = 0
        while number < n_iters:
            n_moved = lloyd.move()
            if not n_moved:
                break
            number += 1
            n_changed = lloyd.look()
            say(Iteration(number, lloyd.inertia(), n_changed, n_moved))
        return fitted(lloyd.centroids, state.nearest, state.distance, number)


def fitted(centroids: Float32Array, assignment: Int32Array, distance: Float32Array, n_iters: int) -> KMeans:
    """The result for one assignment, without the centroids that got no point (the order of the others is kept)."""
    used = np.bincount(assignment, minlength=len(centroids)) > 0
    if not used.all():
        assignment[:] = (np.cumsum(used, dtype=np.int32) - np.int32(1))[assignment]
        centroids = centroids[used]
    return KMeans(centroids, assignment, distance, _inertia(distance, len(distance)), n_iters)


class _Lloyd:
    """The iterations: `move` the centroids, then `look` for each point's nearest."""

    def __init__(self, blocks: Blocks, centroids: Float32Array, state: State) -> None:
        self.blocks, self.centroids, self.state = blocks, centroids, state
        self.sums = np.zeros((2, *centroids.shape), np.int64)
        self.counts = np.zeros(len(centroids), np.int64)
        self.moved = np.ones(len(centroids), bool)
        for changes in blocks.map(self._first_sums):
            self._apply(changes)

    def inertia(self) -> float:
        """The sum of squared distances."""
        return _inertia(self.state.distance, len(self.state.distance))

    def move(self) -> int:
        """Every centroid to the mean of its points, and those without to the farthest points; how many moved."""
        sums = self.sums[0] + self.sums[1] * 2.0**-LOW_BITS
        means = (sums / (np.maximum(self.counts, 1) * self.blocks.scale)[:, None]).astype(np.float32)
        empty = np.flatnonzero(self.counts == 0)
        means[empty] = self.centroids[empty]
        if len(empty):
            farthest = _farthest(self.state.distance, len(empty))
            means[empty[: len(farthest)]] = self.blocks.points[farthest].astype(np.float32)
        self.moved = (means != self.centroids).any(axis=1)
        self.centroids = means
        return int(np.count_nonzero(self.moved))

    def look(self) -> int:
        """Every point's nearest centroid, and the sums that follow; how many points changed theirs."""
        everything = self.blocks.search(self.centroids)
        moved = np.flatnonzero(self.moved)
        mostly = len(moved) > MOSTLY * len(self.moved)
        search = everything if mostly else self.blocks.search(self.centroids, moved)
        n_changed = 0
        for changes in self.blocks.map(lambda block: self._look(block, search, everything)):
            n_changed += self._apply(changes)
        return n_changed

    def _look(self, block: Block, moved: Search, everything: Search) -> _Changes:
        state = self.state.at(block.rows)
        before = state.nearest.copy()
        rows = np.flatnonzero(self.moved[before])
        state.distance[rows] = everything.distances(block, before, rows)
        if moved is everything:
            state.others[:] = np.inf
            search_all(block, state, everything, everything, self.centroids)
        else:
            doubtful = np.flatnonzero(state.distance * np.float32(1 + rounding(self.blocks.dim)) >= state.others)
            search_all(block, state, moved, everything, self.centroids)
            self._search_again(block, state, doubtful, everything)
        return self._changes(block, before, state.nearest)

    def _search_again(self, block: Block, state: State, rows: Int64Array, everything: Search) -> None:
        """Compare with every centroid the points that may have left theirs for one that did not move."""
        if len(rows) == 0:
            return
        known = State(state.nearest[rows], state.distance[rows], np.full(len(rows), np.inf, np.float32))
        search_all(block.take(rows), known, everything, everything, self.centroids)
        state.nearest[rows], state.distance[rows], state.others[rows] = known.nearest, known.distance, known.others

    def _first_sums(self, block: Block) -> _Changes:
        return self._changes(block, None, self.state.nearest[block.rows])

    def _changes(self, block: Block, before: Int32Array | None, after: Int32Array) -> _Changes:
        """What points that changed hands take from the sums of one centroid and give to those of another."""
        changed = np.arange(len(after)) if before is None else np.flatnonzero(before != after)
        changes = _Changes(len(changed), [])
        for start in range(0, len(changed), SUMMED):
            rows = changed[start : start + SUMMED]
            changes.sums.append((1, *block.sums(rows, after[rows], self.blocks.scale)))
            if before is not None:
                changes.sums.append((-1, *block.sums(rows, before[rows], self.blocks.scale)))
        return changes

    def _apply(self, changes: _Changes) -> int:
        for sign, clusters, counts, sums in changes.sums:
            self.counts[clusters] += sign * counts
            self.sums[:, clusters] += sign * sums
        return changes.n


@dataclass(frozen=True)
class _Changes:
    """n points changed hands; sums: (sign, clusters, counts, sums as of `Block.sums`), each cluster once."""

    n: int
    sums: list[tuple[int, Int64Array, Int64Array, Int64Array]]


def _farthest(distance: Float32Array, n: int) -> Int64Array:
    """The n points farthest from their centroids, ties to the lowest row; none at distance 0.

    A point at distance 0 has a centroid, and a second one there would stay empty.
    """
    limit = np.partition(distance, max(len(distance) - n, 0))[max(len(distance) - n, 0)]
    far = np.flatnonzero((distance >= limit) & (distance > 0))
    return far[np.argsort(-distance[far], kind="stable")[:n]].astype(np.int64)


def _inertia(distance: Float32Array, n: int, size: int = 65536) -> float:
    parts = (np.square(distance[start : start + size], dtype=np.float64) for start in range(0, n, size))
    return float(sum(part.sum() for part in parts))
