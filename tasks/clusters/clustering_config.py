"""The settings of clustering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from windrow.schemas.settings import Settings
from windrow.schemas.stages import Stage

STAGE = Stage.CLUSTER
LEAST_MEMORY_GB = 0.5


@dataclass(frozen=True)
class ClusteringConfig(Settings):
    """Hierarchical k-means (Vo et al. 2024, arXiv 2405.15613).

    `n_clusters`: clusters of each level, finest first, strictly decreasing; empty lets the size of the pool decide.
    `n_resamples`: members that a resampling round takes from each cluster, one number a level; empty likewise.
    `n_rounds`: resampling rounds of each level, 0 for plain k-means. `n_iters`: Lloyd iterations at most.
    `sampling`: which members a round takes, the closest to the centroid or any. `normalize`: cluster directions
    (vectors of length one) rather than raw embeddings, which the paper does: on the pooled features of a
    convolutional network, lengths made a few clusters of most of the pool.

    `refit`: what becomes of the clusters of the last run with these settings. 'drift' keeps them, and new samples go to
    the nearest, until they fit them no more (table `drift`), then clusters again from there: most samples keep their
    cluster's number, so that a set changes little from night to night, and most nights cost one pass over the pool.
    'never' only keeps them. 'always' clusters the pool afresh, so that the result depends on the pool alone.

    `memory_gb`: roughly what clustering may use, null: what the run may (`memory_gb` of the config); a pool that needs
    more is read from disk again in each iteration.
    `device`: 'cpu', or a torch device such as 'cuda'. Neither of the two changes the clusters.
    """

    n_clusters: tuple[Annotated[int, Ge(1)], ...] = ()
    n_resamples: tuple[Annotated[int, Ge(1)], ...] = ()
    n_rounds: Annotated[int, Ge(0)] = 10
    n_iters: Annotated[int, Ge(1)] = 50
    sampling: Literal["closest", "uniform"] = "closest"
    normalize: bool = True
    refit: Literal["always", "drift", "never"] = "drift"
    memory_gb: Annotated[float, Ge(LEAST_MEMORY_GB)] | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        super().__post_init__()
        levels = list(self.n_clusters)
        if levels != sorted(set(levels), reverse=True):
            raise ValueError(f"n_clusters: wants strictly decreasing numbers, finest first, got {levels}")
        if self.n_resamples and len(self.n_resamples) != len(levels):
            raise ValueError(
                f"n_resamples: wants one number for each of the {len(levels)} levels, got {list(self.n_resamples)}"
            )
