"""Nearest centroid among very many, by a search over groups of centroids: not exact, and much less work.

The centroids are clustered into groups of about GROUP; a point is compared with the groups' centroids, then with the
members of the n_probe nearest groups ('inverted file', Jégou et al. 2011). For k centroids this is about k / GROUP +
n_probe x GROUP comparisons a point instead of k. `tests/benchmarks/bench_clustering.py` reports its recall.
"""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array, Int32Array
from windrow.tasks.algorithms.clustering.blocks import Block, Blocks
from windrow.tasks.algorithms.clustering.kmeans import kmeans
from windrow.tasks.algorithms.clustering.nearest import State, check_centroids
from windrow.tasks.algorithms.clustering.points import Points, Resources

GROUP = 100


def assign_by_tree(
    points: Points, centroids: Float32Array, *, n_probe: int = 8, seed: int = 0, resources: Resources | None = None
) -> tuple[Int32Array, Float32Array]:
    """A near, most often the nearest, centroid of every point, and the Euclidean distance to it.

    points: float16 or float32 (n, d); centroids: float32 (k, d). Returns int32 (n,) and float32 (n,). With n_probe of
    at least the number of groups, k / GROUP rounded up, every centroid is looked at. Raises ValueError for a point that
    is not finite, naming the first such row.
    """
    resources = resources or Resources()
    blocks = Blocks(points, resources)
    check_centroids(centroids, blocks.dim)
    groups = kmeans(centroids, -(-len(centroids) // GROUP), seed=seed, n_iters=10, resources=resources)
    state = State.of(blocks.n, resources)
    with blocks.working():
        tree = _Tree(blocks, centroids, groups.centroids, groups.assignment, min(n_probe, len(groups.centroids)))
        for _ in blocks.map(lambda block: tree.search(block, state.at(block.rows))):
            pass
    return state.nearest, state.distance


class _Tree:
    """The centroids in order of group, so that a group is a slice of them."""

    def __init__(
        self, blocks: Blocks, centroids: Float32Array, heads: Float32Array, group: Int32Array, n_probe: int
    ) -> None:
        self.heads, self.n_probe = blocks.search(heads), n_probe
        self.centroids = blocks.search(centroids, np.argsort(group, kind="stable"))
        self.ends = np.cumsum(np.bincount(group))

    def search(self, block: Block, state: State) -> None:
        """Bring `state` up to date, but for `others`, of which nothing is known."""
        best = np.full(len(state.nearest), np.inf, np.float32)
        nobody = np.full(len(state.nearest), -1, np.int32)
        near = self.heads.few(block, self.n_probe)
        order = np.argsort(near, axis=None, kind="stable")
        groups, starts = np.unique(near.reshape(-1)[order], return_index=True)
        for group, pairs in zip(groups, np.split(order, starts[1:]), strict=True):
            rows = pairs // near.shape[1]
            part = slice(int(self.ends[group - 1]) if group else 0, int(self.ends[group]))
            winner, score, _ = self.centroids.best_two(block.take(rows), nobody[rows], part)
            better = score < best[rows]
            best[rows[better]] = score[better]
            state.nearest[rows[better]] = winner[better]
        state.distance[:] = self.centroids.distances(block, state.nearest, np.arange(len(state.nearest)))
