"""Whether new samples still fit a frozen tree, or it is time to cluster again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Int32Array, Int64Array
from windrow.tasks.algorithms.clustering.frozen_tree import FAR, FrozenTree
from windrow.tasks.algorithms.clustering.points import Points

SURE = 1e-3  # a share beyond its limit by chance alone is less probable than this
MOST_LOOKED_AT = 20_000  # far samples among which regions are looked for: the farthest


@dataclass(frozen=True)
class DriftLimits:
    """Beyond which the tree should be fitted again.

    share_far: of new samples that are farther from their centroid than 99 % of samples like the cluster's would be;
    distance_ratio: mean distance of new samples, over what it would be of samples like those that the tree was made of;
    n_new_regions: crowds of far samples; growth: new samples over those that the tree was made of; region_size: far
    samples that make a region.
    """

    share_far: float = 0.03
    distance_ratio: float = 1.15
    n_new_regions: int = 1
    growth: float = 0.5
    region_size: int = 10


@dataclass(frozen=True)
class Drift:
    """How n_new samples lie in the tree, and reasons to fit it again: none while it will do. Figures of none are 0."""

    n_new: int
    mean_distance: float
    expected_distance: float
    share_far: float
    n_new_regions: int
    reasons: tuple[str, ...]

    @property
    def refit(self) -> bool:
        """Whether to cluster again."""
        return bool(self.reasons)


def measure_drift(
    points: Points, cluster: Int32Array, distance: Float32Array, frozen: FrozenTree, limits: DriftLimits | None = None
) -> Drift:
    """New samples, float16 or float32 (n, d), against the tree that they were placed in (`frozen_tree.place`).

    cluster: int32 (n,), the finest cluster of each; distance: float32 (n,), to its centroid.
    """
    limits = limits or DriftLimits()
    n = len(cluster)
    if n == 0:
        return Drift(0, 0.0, 0.0, 0.0, 0, ())
    is_far = distance > frozen.far[cluster]
    n_far = int(np.count_nonzero(is_far))
    mean = float(distance.mean(dtype=np.float64))
    expected = float(frozen.mean_distance[cluster].mean(dtype=np.float64))
    crowds = new_regions(points, np.flatnonzero(is_far), distance, frozen.far[cluster], limits.region_size)
    n_regions = sum(_by_more_than_chance(crowd, cluster, len(frozen.far), n_far) for crowd in crowds)
    reasons = []
    if n_far > limits.share_far * n and _chance_of(n_far, n) < SURE:
        reasons.append(f"{n_far / n:.1%} of {n:,} new samples are far from every cluster, expected {1 - FAR:.0%}")
    if n >= limits.region_size and mean > limits.distance_ratio * expected:
        reasons.append(f"new samples lie {mean / expected:.2f} times as far from their centroids as expected")
    if n_regions >= limits.n_new_regions:
        reasons.append(f"{n_regions} regions of {limits.region_size} or more far samples")
    if n > limits.growth * frozen.n_samples.sum():
        reasons.append(f"{n:,} new samples on {int(frozen.n_samples.sum()):,} that the clusters were made of")
    return Drift(n, mean, expected, n_far / n, n_regions, tuple(reasons))


def _by_more_than_chance(crowd: Int64Array, cluster: Int32Array, k: int, n_tried: int) -> bool:
    """Whether a crowd is more than the 1 % of what its clusters were given that is far anyway (Bonferroni's n_tried).

    Without this, a cluster that is given thousands of samples like its own has crowds among its far ones.
    """
    given = int(np.bincount(cluster, minlength=k)[np.unique(cluster[crowd])].sum())
    return _chance_of(len(crowd), given) < SURE / n_tried


def _chance_of(n_far: int, n: int) -> float:
    """The probability that n_far or more of n samples like the clusters' are far."""
    from scipy.stats import binom

    return float(binom.sf(n_far - 1, n, 1 - FAR))


def new_regions(
    points: Points, far: Int64Array, distance: Float32Array, radius: Float32Array, size: int
) -> list[Int64Array]:
    """Crowds among far samples: the rows of each, at least `size`.

    From the farthest on (ties: the lowest row), a sample takes with it all that are left within the radius of the
    cluster that it fell to: a region is about as large as a finest cluster. Of more than MOST_LOOKED_AT, the farthest
    are looked at.
    """
    rows = far[np.argsort(-distance[far], kind="stable")[:MOST_LOOKED_AT]]
    vectors = points[np.sort(rows)].astype(np.float32)[np.argsort(np.argsort(rows))]
    left = np.ones(len(rows), bool)
    regions = []
    for leader in range(len(rows)):
        if not left[leader]:
            continue
        others = np.flatnonzero(left)
        near = others[_within(vectors[others], vectors[leader], float(radius[rows[leader]]))]
        left[near] = False
        if len(near) >= size:
            regions.append(np.sort(rows[near]))
    return regions


def _within(vectors: Float32Array, leader: Float32Array, radius: float) -> npt.NDArray[np.bool_]:
    difference = vectors - leader
    found: npt.NDArray[np.bool_] = np.einsum("ij,ij->i", difference, difference) <= radius**2
    return found
