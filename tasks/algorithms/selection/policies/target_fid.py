"""The clusters whose union is most like a target, whole and first.

Cost at a million samples of 128 dimensions and 1,000 targets: 6.2 s of a core, 2.6 times `balanced`: a product with 64
axes, and the eigenvalues of two matrices of that size a cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy.typing as npt
from annotated_types import Ge

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.selection.gaussian_distance import GaussianTarget, Moments, merged_while_closer
from windrow.tasks.algorithms.selection.grid_units import grid_units
from windrow.tasks.algorithms.selection.policies.target import Target


@dataclass(frozen=True)
class TargetFid(Target):
    """Whole clusters, merged while the FID of their union to the target falls.

    SnP, its search: Yao et al. 2023, arXiv 2303.16186.

    Clusters come whole: the nearest to the target by FID, then by ascending FID each that lowers the FID of the union,
    then the others. Within a cluster the ranking is balanced over the levels below.

    `level`: of the clusters, 1 the finest; null takes the coarsest. `n_axes`: of the target's variance, the largest,
    along which covariances are compared; means and total variances always are in full.
    """

    name: ClassVar[str] = "target-fid"

    n_axes: Annotated[int, Ge(1)] = 64

    def clusters_in_order(self, units: Float32Array, clusters: Int64Array, targets: npt.NDArray[Any]) -> Int64Array:
        """See `Target`. n n_axes (dim + n_axes) + n_clusters n_axes^3 flops."""
        target = GaussianTarget.of(grid_units(targets), self.n_axes)
        sets = Moments.of(units, clusters, int(clusters.max(initial=-1)) + 1, target.root)
        return merged_while_closer(sets, target)
