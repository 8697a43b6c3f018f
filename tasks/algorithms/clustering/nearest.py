"""The nearest centroid of every point: proposed by a matrix product, decided by exact distances where it is close.

Squared distances come from |x|^2 - 2 x.c + |c|^2, whose rounding error has a bound. A centroid that wins by more than
the bound is the nearest; where several are closer together than that, their distances are computed from differences
in float64, and ties go to the lowest centroid. So which one is nearest depends on no product's order of summation, on
no block, thread or device.

What is known of a point is kept with it (`State`), so a later search looks only where something may have changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int32Array, Int64Array
from windrow.tasks.algorithms.clustering.blocks import Block, Blocks, Search
from windrow.tasks.algorithms.clustering.host_search import CHUNK, UNIT
from windrow.tasks.algorithms.clustering.points import Points, Resources


@dataclass(frozen=True)
class State:
    """What is known of each point. Arrays are written in place.

    nearest: int32 (n,), its nearest centroid, or -1; distance: float32 (n,), Euclidean, to it; others: float32 (n,), a
    lower bound on the distance to every other centroid.
    """

    nearest: Int32Array
    distance: Float32Array
    others: Float32Array

    @classmethod
    def of(cls, n: int, resources: Resources) -> State:
        """For n points; nothing is known yet."""
        state = cls(*(resources.scratch((n,), dtype) for dtype in (np.int32, np.float32, np.float32)))
        state.nearest[:], state.distance[:], state.others[:] = -1, np.inf, np.inf
        return state

    def at(self, rows: slice) -> State:
        """Views of some rows."""
        return State(self.nearest[rows], self.distance[rows], self.others[rows])


def search_all(block: Block, state: State, search: Search, everything: Search, centroids: Float32Array) -> None:
    """Compare points with a search's centroids, and bring `state` up to date, in place.

    On entry `distance` is that to `nearest` (-1: none is known), and `others` holds for every centroid that is not in
    the search; on return both hold for all. everything: the search over all centroids, for points that are too close
    to call.
    """
    winner, best, second = search.best_two(block, state.nearest)
    length = block.length
    known = state.nearest >= 0
    distance = np.where(known, state.distance, np.float32(0))
    own = np.where(known, (np.square(distance) - np.square(length)) / 2, np.float32(np.inf))
    error = _error(search, everything, winner, best, length, np.where(known, state.distance, np.float32(np.inf)))
    with np.errstate(invalid="ignore"):  # inf - inf, where there is no other centroid
        close = (np.abs(best - own) <= 2 * error) | ((best < own) & (second - best <= 2 * error))
    wins = best < own
    runner_up = np.where(wins, np.minimum(second, own), best)
    np.minimum(state.others, _lowest_distance(runner_up, length, search, everything), out=state.others)
    changed = np.flatnonzero(wins & ~close)
    state.nearest[changed] = winner[changed]
    tied = np.flatnonzero(close)
    if len(tied):
        limit = np.minimum(best, own)[tied] + 2 * error[tied]
        _decide(block, tied, limit, state, everything, centroids)
    changed = np.concatenate([changed, tied])
    state.distance[changed] = everything.distances(block, state.nearest, changed)


def _error(
    search: Search,
    everything: Search,
    winner: Int64Array,
    best: Float32Array,
    length: Float32Array,
    distance: Float32Array,
) -> Float32Array:
    """A bound on the error of the scores that matter: those of centroids that may be nearest.

    A nearest centroid is no farther than the one at `distance` and than the winner, so it is no longer than |x| and
    that distance together: an outlier among the centroids makes no other's score doubtful.
    """
    its_own = search.error(length, search.length_of(winner))
    reach = _reach(length, np.fmin(distance, _distance(best + its_own, length)))
    return np.maximum(search.error(length, reach), everything.error(length, reach))


def _lowest_distance(runner_up: Float32Array, length: Float32Array, search: Search, everything: Search) -> Float32Array:
    """A lower bound on the distance to every centroid but the nearest, from the lowest score of them.

    The second lowest of several numbers is off by no more than the numbers are: here, the scores of centroids up to
    |x| and the runner-up's distance together. Longer ones are farther than the runner-up.
    """
    reach = _reach(length, _distance(runner_up, length))
    error = np.maximum(search.error(length, reach), everything.error(length, reach))
    lowest: Float32Array = _distance(runner_up - error, length) * np.float32(1 - 8 * UNIT)
    return lowest


def _reach(length: Float32Array, distance: Float32Array) -> Float32Array:
    """The length, rounded up, of the longest centroid that is within a distance."""
    reach: Float32Array = length + distance * np.float32(1 + 8 * UNIT)
    return reach


def _distance(score: Float32Array, length: Float32Array) -> Float32Array:
    """The Euclidean distance of a score."""
    with np.errstate(invalid="ignore", over="ignore"):
        distance: Float32Array = np.sqrt(np.maximum(np.square(length) + 2 * score, 0)).astype(np.float32)
    return distance


def _decide(
    block: Block, tied: Int64Array, limit: Float32Array, state: State, everything: Search, centroids: Float32Array
) -> None:
    """Nearest centroids of a few points by differences in float64: of all whose score is up to a point's limit."""
    lowest = np.full(len(tied), np.inf)
    for row, candidate in everything.within(block.take(tied), limit):
        exact = np.empty(len(row))
        for start in range(0, len(row), CHUNK):
            pairs = slice(start, start + CHUNK)
            raw = block.raw(tied[row[pairs]]).astype(np.float64)
            exact[pairs] = np.square(raw - centroids[candidate[pairs]]).sum(axis=1)
        order = np.lexsort((candidate, exact, row))
        first = order[np.flatnonzero(np.diff(row[order], prepend=-1))]
        first = first[
            exact[first] < lowest[row[first]]
        ]  # candidates come in ascending order: ties stay with the lowest
        lowest[row[first]] = exact[first]
        state.nearest[tied[row[first]]] = candidate[first]


def assign(
    points: Points, centroids: Float32Array, *, resources: Resources | None = None
) -> tuple[Int32Array, Float32Array]:
    """Nearest centroid of every point (exactly; ties to the lowest index), and the Euclidean distance to it.

    points: float16 or float32 (n, d); centroids: float32 (k, d). Returns int32 (n,) and float32 (n,). Raises
    ValueError for a point that is not finite, naming the first such row.
    """
    blocks = Blocks(points, resources or Resources())
    check_centroids(centroids, blocks.dim)
    state = State.of(blocks.n, blocks.resources)
    with blocks.working():
        assign_blocks(blocks, centroids, state)
    return state.nearest, state.distance


def assign_blocks(blocks: Blocks, centroids: Float32Array, state: State) -> None:
    """Bring `state` up to date with centroids of which nothing is known."""
    everything = blocks.search(centroids)

    def from_scratch(block: Block) -> None:
        known = state.at(block.rows)
        known.nearest[:], known.others[:] = -1, np.inf
        search_all(block, known, everything, everything, centroids)

    for _ in blocks.map(from_scratch):
        pass


def check_centroids(centroids: Float32Array, dim: int) -> None:
    """Raise ValueError unless centroids have shape (k >= 1, dim) and are finite."""
    if centroids.ndim != 2 or len(centroids) == 0 or centroids.shape[1] != dim:
        raise ValueError(f"centroids: expected shape (k >= 1, {dim}), got {centroids.shape}")
    finite = np.isfinite(centroids).all(axis=1)
    if not finite.all():
        raise ValueError(f"centroids: row {int(np.flatnonzero(~finite)[0])} is not finite")
