"""A hierarchy that stays as it is while new samples come: where they go, and how far its own samples lay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Int32Array, Int64Array
from windrow.tasks.algorithms.clustering.hierarchy import Hierarchy, assign_level, tree
from windrow.tasks.algorithms.clustering.kmeans import KMeans
from windrow.tasks.algorithms.clustering.points import Points, Resources, Taken

FAR = 0.99  # quantile
FEWEST = 4  # members whose distances say something about those of others
MANY = 100  # members from which a cluster's own quantile is taken


@dataclass(frozen=True)
class FrozenTree:
    """Centroids of each level, finest first, and what the finest clusters were like when they were made.

    centroids: float32 (k, d) a level; parents: int32 (k,) a level but the last, the cluster of the next level;
    mean_distance, far: float32 (k,) of the finest level, what the mean and the 99th percentile of the Euclidean
    distance of new samples like those of the cluster would be (`freeze`); n_samples: int64 (k,).
    """

    centroids: tuple[Float32Array, ...]
    parents: tuple[Int32Array, ...]
    n_samples: npt.NDArray[np.int64]
    mean_distance: Float32Array
    far: Float32Array


def freeze(
    centroids: tuple[Float32Array, ...], parents: tuple[Int32Array, ...], cluster: Int32Array, distance: Float32Array
) -> FrozenTree:
    """A tree and the finest cluster and the distance, (n,), of the samples that it was made of.

    A centroid lies nearer to the samples that it is the mean of than to others like them. So that new samples can be
    compared, each of m members counts with the distance that it would have if the centroid were the mean of the other
    m - 1, which is m / (m - 1) times its own; clusters of fewer than FEWEST do not count, where that is a guess.

    `far` is the 99th percentile of these in a cluster of MANY samples or more. The percentile of a few is their largest
    and says little: a smaller cluster's is its mean times the 99th percentile of distance over mean in all of these.
    """
    k = len(centroids[0])
    n_samples = np.bincount(cluster, minlength=k)
    size = n_samples[cluster]
    counts = size >= FEWEST
    group, without = cluster[counts], distance[counts] * (size[counts] / (size[counts] - 1))
    overall = without if len(without) else np.zeros(1)
    n_counted = np.bincount(group, minlength=k)
    mean = np.where(n_counted, np.bincount(group, without, k) / np.maximum(n_counted, 1), overall.mean())
    relative = (without / np.maximum(mean[group], np.finfo(np.float32).tiny))[n_counted[group] < MANY]
    far = mean * (np.quantile(relative, FAR) if len(relative) else 1.0)
    order = np.argsort(group, kind="stable")
    starts = np.cumsum(n_counted) - n_counted
    for large in np.flatnonzero(n_counted >= MANY):
        far[large] = np.quantile(without[order[starts[large] : starts[large] + n_counted[large]]], FAR)
    return FrozenTree(centroids, parents, n_samples, mean.astype(np.float32), far.astype(np.float32))


def freeze_hierarchy(hierarchy: Hierarchy) -> FrozenTree:
    """The tree of a hierarchy that was just made."""
    levels = hierarchy.levels
    centroids = tuple(level.centroids for level in levels)
    parents = tuple(level.assignment for level in levels[1:])
    return freeze(centroids, parents, hierarchy.paths[:, 0], hierarchy.distance)


@dataclass(frozen=True)
class Seen:
    """Points that the tree has been asked of before: their rows, int64 (m,), ascending; the finest cluster, int32 (m,),
    and the Euclidean distance to its centroid, float32 (m,), of each.
    """

    rows: Int64Array
    cluster: Int32Array
    distance: Float32Array


def place(
    points: Points, frozen: FrozenTree, resources: Resources | None = None, seen: Seen | None = None
) -> Hierarchy:
    """Points, float16 or float32 (n, d), in a frozen tree: each goes to the nearest finest centroid
    (of more than EXACT_UP_TO, as in `hierarchical_kmeans`), but for those that were `seen`, which stay where they are.

    All clusters stay, those without a point too. Raises ValueError for a point that is not finite, naming the first
    such row of those that were not seen.
    """
    resources = resources or Resources()
    nearest, distance = _placed(points, frozen.centroids[0], resources, seen)
    fits = [_fit(frozen.centroids[0], nearest, distance)]
    for below, parent, centroids in zip(frozen.centroids, frozen.parents, frozen.centroids[1:], strict=False):
        fits.append(_fit(centroids, parent, np.linalg.norm(below - centroids[parent], axis=1).astype(np.float32)))
    return tree(fits, resources)


def _placed(
    points: Points, centroids: Float32Array, resources: Resources, seen: Seen | None
) -> tuple[Int32Array, Float32Array]:
    if seen is None or not len(seen.rows):
        return assign_level(points, centroids, resources)
    nearest, distance = (resources.scratch((len(points),), dtype) for dtype in (np.int32, np.float32))
    nearest[:] = -1
    nearest[seen.rows], distance[seen.rows] = seen.cluster, seen.distance
    new = np.flatnonzero(nearest < 0)
    if len(new):
        nearest[new], distance[new] = assign_level(Taken(points, new), centroids, resources)
    return nearest, distance


def _fit(centroids: Float32Array, assignment: Int32Array, distance: Float32Array) -> KMeans:
    return KMeans(centroids, assignment, distance, float(np.square(distance, dtype=np.float64).sum()), 0)


def share_unchanged(before: Int32Array, after: Int32Array) -> float:
    """The share of samples, (n,), whose cluster kept its number; nan without samples."""
    return float(np.mean(before == after)) if len(before) else float("nan")
