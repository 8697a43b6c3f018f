"""SwAV: clusters of k-means, balanced."""

from __future__ import annotations

from dataclasses import dataclass

from windrow.tasks.algorithms.labels.cores.balanced_labels import check_marginal, swav_codes
from windrow.tasks.algorithms.labels.cores.sinkhorn import NotConvergedError
from windrow.tasks.algorithms.labels.maker import LabelPool, NotNegative, Positive, SettingError
from windrow.tasks.algorithms.labels.makers.clusterer import Clusterer, kept, started
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


@dataclass(frozen=True)
class Swav(Clusterer):
    """The codes of k-means's centroids (`swav_codes`): soft clusters of the shares that they should have.

    `eps`: how soft the clusters are, in cosines; the smaller, the longer it takes.
    `marginal`: shares of the clusters, the largest for the largest at the start; null is equal.
    """

    eps: Positive = 0.05
    marginal: tuple[NotNegative, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_marginal(self.marginal)

    def clusters(self, pool: LabelPool, n_clusters: int) -> SparseProbabilities:
        start = started(pool, n_clusters)
        try:
            return kept(swav_codes(start.units, start.centroids, self.eps, start.ordered(self.marginal)))
        except NotConvergedError as error:
            raise SettingError(f"eps: wants a larger one for this pool, got {self.eps}: {error}") from None
