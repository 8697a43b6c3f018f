"""Hierarchical k-means as an estimator in scikit-learn's manner, without scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Int32Array, as_embeddings
from windrow.tasks.algorithms.clustering.frozen_tree import freeze_hierarchy, place
from windrow.tasks.algorithms.clustering.hierarchy import Hierarchy, Sampling, hierarchical_kmeans
from windrow.tasks.algorithms.clustering.level_settings import propose_levels
from windrow.tasks.algorithms.clustering.points import Resources


class HierarchicalKMeans:
    """Hierarchical k-means with resampling: levels of clusters, each over the centroids of the finer one.

    n_clusters: of each level, finest first, strictly decreasing; one number is one level; None proposes levels for the
    number of samples. n_resamples: members of each cluster that a resampling round keeps, one number a level (by
    default half the mean cluster size). n_rounds: resampling rounds a level; n_iters: k-means iterations a round, at
    most; sampling: 'closest' or 'uniform', which members a round keeps. seed: the answer is the same for it on whatever
    machine. device: 'cpu', or torch's names as in 'cuda:0,cuda:1'; n_threads: by default as many as there are cores.

    After `fit`: labels_: int32 (n,), each sample's finest cluster; paths_: int32 (n, n_levels_), its cluster of every
    level, finest first; centroids_: float32 (k, d) of each level; distance_: float32 (n,), Euclidean, to the finest
    centroid; inertia_: the sum of their squares; n_levels_; n_features_in_; hierarchy_: all there is to know.

    >>> from windrow import HierarchicalKMeans
    >>> samples = [[0.0, 0], [0, 1], [9, 0], [9, 1], [0, 90], [0, 91]]
    >>> model = HierarchicalKMeans(n_clusters=(3, 2), seed=0).fit(samples)
    >>> [level.shape for level in model.centroids_], model.inertia_
    ([(3, 2), (2, 2)], 1.5)
    >>> a, b, c = model.paths([[0, 0], [9, 0], [0, 90]])
    >>> bool(a[0] == b[0]), bool(a[1] == b[1]), bool(a[1] == c[1])
    (False, True, False)
    """

    labels_: Int32Array
    paths_: Int32Array
    centroids_: tuple[Float32Array, ...]
    distance_: Float32Array
    inertia_: float
    n_levels_: int
    n_features_in_: int
    hierarchy_: Hierarchy

    def __init__(
        self,
        n_clusters: int | Sequence[int] | None = None,
        *,
        n_resamples: Sequence[int] | None = None,
        n_rounds: int = 10,
        n_iters: int = 50,
        sampling: Sampling = "closest",
        seed: int = 0,
        device: str = "cpu",
        n_threads: int | None = None,
    ) -> None:
        self.n_clusters, self.n_resamples, self.n_rounds, self.n_iters = n_clusters, n_resamples, n_rounds, n_iters
        self.sampling, self.seed, self.device, self.n_threads = sampling, seed, device, n_threads

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803  scikit-learn's names
        """Cluster samples (n, d); y is not looked at. Raises ValueError for a sample that is not finite."""
        points = as_embeddings(X, "X")
        n_clusters = self._levels(len(points))
        found = hierarchical_kmeans(
            points,
            n_clusters,
            n_resamples=self.n_resamples,
            n_rounds=self.n_rounds,
            n_iters=self.n_iters,
            sampling=self.sampling,
            seed=self.seed,
            resources=self._resources(),
        )
        self.hierarchy_, self.paths_, self.distance_ = found, found.paths, found.distance
        self.labels_, self.inertia_ = found.levels[0].assignment, found.levels[0].inertia
        self.centroids_ = tuple(level.centroids for level in found.levels)
        self.n_levels_, self.n_features_in_ = len(found.levels), points.shape[1]
        return self

    def predict(self, X: npt.ArrayLike) -> Int32Array:  # noqa: N803
        """The finest cluster of each of other samples (n, d): that of the nearest centroid, int32 (n,)."""
        return self.paths(X)[:, 0]

    def fit_predict(self, X: npt.ArrayLike, y: object = None) -> Int32Array:  # noqa: N803
        """Fit, and return `labels_`."""
        return self.fit(X, y).labels_

    def paths(self, X: npt.ArrayLike) -> Int32Array:  # noqa: N803
        """The clusters of other samples (n, d) at every level, finest first: int32 (n, n_levels_)."""
        if not self.__sklearn_is_fitted__():
            raise ValueError("HierarchicalKMeans: `fit` comes first")
        points = as_embeddings(X, "X")
        if points.shape[1] != self.n_features_in_:
            raise ValueError(f"X: expected shape (n, {self.n_features_in_}), as `fit` saw, got {points.shape}")
        return place(points, freeze_hierarchy(self.hierarchy_), self._resources()).paths

    def _levels(self, n: int) -> Sequence[int]:
        if self.n_clusters is None:
            return propose_levels(n).n_clusters
        return (int(self.n_clusters),) if isinstance(self.n_clusters, int | np.integer) else tuple(self.n_clusters)

    def _resources(self) -> Resources:
        return Resources(self.device) if self.n_threads is None else Resources(self.device, self.n_threads)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """The settings, by name; they copy the estimator, as `sklearn.base.clone` does."""
        return {name: value for name, value in vars(self).items() if not name.endswith("_")}

    def set_params(self, **settings: Any) -> Self:
        """Change settings by name. Raises ValueError for a name that is none."""
        for name, value in settings.items():
            if name not in self.get_params():
                raise ValueError(f"{name}: expected one of {', '.join(self.get_params())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"HierarchicalKMeans({', '.join(f'{name}={value!r}' for name, value in self.get_params().items())})"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "hierarchy_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import Tags, TargetTags  # scikit-learn asks, so it is there

        return Tags(estimator_type="clusterer", target_tags=TargetTags(required=False))
