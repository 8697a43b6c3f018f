"""The settings of clustering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from windrow.schemas.stages import Stage

STAGE = Stage.CLUSTER
LEAST_MEMORY_GB = 0.5


@dataclass(frozen=True)
class ClusteringConfig:
    """Hierarchical k-means (Vo et al. 2024, arXiv 2405.15613).

    `n_clusters`: clusters of each level, finest first, strictly decreasing; empty lets the size of the pool decide.
    `n_resamples`: members that a resampling round takes from each cluster, one number a level; empty likewise.
    `n_rounds`: resampling rounds of each level, 0 for plain k-means. `n_iters`: Lloyd iterations at most.
    `sampling`: which members a round takes, the closest to the centroid or any. `normalize`: cluster directions
    (vectors of length one) rather than raw embeddings, which the paper does: on the pooled features of a
    convolutional network, lengths made a few clusters of most of the pool.

    `refit`: what becomes of the clusters of the last run with these settings. 'always' clusters the pool afresh, so
    that the result depends on the pool alone. 'never' keeps them, and new samples go to the nearest. 'drift' keeps them
    too, until new samples fit them no more (table `drift`), then clusters again from there: most samples keep their
    cluster's number, and most nights cost one pass over the pool.

    `memory_gb`: roughly what clustering may use; a pool that needs more is read from disk again in each iteration.
    `device`: 'cpu', or a torch device such as 'cuda'. Neither changes the clusters.
    """

    n_clusters: tuple[int, ...] = ()
    n_resamples: tuple[int, ...] = ()
    n_rounds: int = 10
    n_iters: int = 50
    sampling: Literal["closest", "uniform"] = "closest"
    normalize: bool = True
    refit: Literal["always", "drift", "never"] = "always"
    memory_gb: float = 4.0
    device: str = "cpu"

    def __post_init__(self) -> None:
        levels = list(self.n_clusters)
        if any(k < 1 for k in levels) or levels != sorted(set(levels), reverse=True):
            raise ValueError(f"clustering.n_clusters: wants strictly decreasing numbers, finest first, got {levels}")
        if self.n_resamples and len(self.n_resamples) != len(levels):
            raise ValueError(
                f"clustering.n_resamples: wants one number for each of the {len(levels)} levels, got {self.n_resamples}"
            )
        if min(self.n_resamples, default=1) < 1:
            raise ValueError(f"clustering.n_resamples: wants 1 or more, got {self.n_resamples}")
        if self.n_rounds < 0 or self.n_iters < 1:
            raise ValueError(f"clustering: n_rounds {self.n_rounds} and n_iters {self.n_iters} are out of range")
        if self.memory_gb < LEAST_MEMORY_GB:
            raise ValueError(f"clustering.memory_gb: wants at least {LEAST_MEMORY_GB}, got {self.memory_gb}")
        if self.refit not in ("always", "drift", "never"):
            raise ValueError(f"clustering.refit: wants 'always', 'drift' or 'never', got {self.refit!r}")
        if self.sampling not in ("closest", "uniform"):
            raise ValueError(f"clustering.sampling: wants 'closest' or 'uniform', got {self.sampling!r}")
