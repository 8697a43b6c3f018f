"""Classes found from nothing but where samples came from: sources that hold the same classes in other proportions.

Roberts, Mani, Garg and Lipton 2022, Unsupervised learning under latent label shift (DDFA). If p(x | class) is the same
in every source, what tells sources apart is only their class proportions: q(source | x) takes one direction a class,
and the samples' frequencies in cells of that space factor into p(cell | class) times p(class | source).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.clustering.kmeans import kmeans
from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe
from windrow.tasks.algorithms.labels.cores.nonnegative_factors import nonnegative_factors
from windrow.tasks.algorithms.labels.folds import check_pool, cross_fit, labelled_rows
from windrow.tasks.algorithms.labels.maker import Count, LabelPool, Positive, given
from windrow.tasks.algorithms.labels.makers.clusterer import Clusterer, kept
from windrow.tasks.algorithms.labels.probabilities import normalise_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


@dataclass(frozen=True)
class LatentLabelShift(Clusterer):
    """Clusters from where samples came from, p(cluster | sample, its source); at least as many sources as clusters.

    `l2`: of the probe that tells the sources apart.
    `n_folds`: of that probe's cross-fit.
    `n_cells`: cells of its answers; null is one a class.
    """

    l2: Positive = 0.01
    n_folds: Annotated[int, Ge(2)] = 2
    n_cells: Count | None = None

    needs = ("sources",)

    def clusters(self, pool: LabelPool, n_clusters: int) -> SparseProbabilities:
        sources = given(pool.sources, "sources")
        check_pool(pool.embeddings, sources)
        n_sources = int(sources.max(initial=-1)) + 1
        if not 1 <= n_clusters <= n_sources:
            raise ValueError(f"sources must be at least as many as the {n_clusters} classes, got {n_sources}")
        found = source_probabilities(pool.embeddings, sources, n_sources, self.l2, self.n_folds, pool.seed)
        return kept(latent_label_shift(found, sources, n_clusters, self.n_cells, pool.seed).probabilities)


@dataclass(frozen=True)
class ShiftedClasses:
    """The classes' proportions in the sources, and each sample's class; the classes come in no particular order.

    class_given_source: float64 (n_classes, n_sources), columns sum to 1. source_given_class: float64 (n_sources,
    n_classes), columns sum to 1, with every source counted the same. probabilities: float32 (n, n_classes),
    p(class | sample, its source).
    """

    class_given_source: Float64Array
    source_given_class: Float64Array
    probabilities: Float32Array


def source_probabilities(
    embeddings: npt.NDArray[Any], sources: Int64Array, n_sources: int, l2: float = 0.01, n_folds: int = 2, seed: int = 0
) -> Float32Array:
    """q(source | embedding), float32 (n, n_sources), as if every source were equally large; out of sample.

    A `logistic_probe` learns the sources int64 (n,) of the other folds. Its features are float64: 8 n d bytes, and n is
    the whole pool here. Every sample has a source: raises ValueError for a -1.
    """
    check_sources(sources, n_sources)
    check_pool(embeddings, sources)
    return cross_fit(
        lambda left, rows: logistic_probe(embeddings, left, n_sources, l2, rows=rows), sources, n_sources, n_folds, seed
    )


def latent_label_shift(
    discriminator: Float32Array, sources: Int64Array, n_classes: int, n_cells: int | None = None, seed: int = 0
) -> ShiftedClasses:
    """Split a pool into n_classes from q(source | sample), discriminator (n, n_sources), and the sources int64 (n,).

    k-means cuts the discriminator's outputs into n_cells cells, by default one a class; p(cell | source) =
    p(cell | class) p(class | source) is factored; q(source | x) = p(source | class) p(class | x) is solved for
    p(class | x) by least squares, clipped at 0; and a sample's own source tells p(class | x, source) ~ p(source |
    class) p(class | x), as every source counts the same. At least as many sources as classes, in different
    proportions, and for each class some region where it is alone (an anchor) are needed; only the first can be
    checked. The seed is k-means's, whose start depends on the order of the rows.
    """
    n_sources = discriminator.shape[1] if discriminator.ndim == 2 else 0
    check_pool(discriminator, sources)
    check_sources(sources, n_sources)
    if not 1 <= n_classes <= n_sources:
        raise ValueError(f"n_classes must be from 1 to the number of sources {n_sources}, got {n_classes}")
    if n_cells is not None and n_cells < n_classes:
        raise ValueError(f"n_cells must be at least n_classes {n_classes}, got {n_cells}")
    wanted = n_classes if n_cells is None else n_cells
    cells = kmeans(discriminator.astype(np.float32), wanted, seed=seed).assignment.astype(np.int64)
    # k-means leaves out surplus cells; empty ones here cost nothing.
    counts = np.bincount(cells * n_sources + sources, minlength=wanted * n_sources).reshape(wanted, n_sources)
    shares = nonnegative_factors(counts, n_classes)[1]
    from_source = (shares / shares.sum(axis=1, keepdims=True)).T
    return ShiftedClasses(shares, from_source, _solve(discriminator, sources, from_source))


def check_sources(sources: Int64Array, n_sources: int) -> None:
    """Raise ValueError unless every sample has a source, and every source from 0 to n_sources - 1 a sample."""
    rows = labelled_rows(sources, n_sources)
    if len(rows) < len(sources):
        raise ValueError(f"sources must be from 0 to {n_sources - 1}, {len(sources) - len(rows)} are -1")
    empty = np.flatnonzero(np.bincount(sources, minlength=n_sources) == 0)
    if len(empty):
        raise ValueError(f"sources must name each of 0 to {n_sources - 1}, none is {empty[0]}")


def _solve(discriminator: Float32Array, sources: Int64Array, from_source: Float64Array) -> Float32Array:
    inverse = np.linalg.pinv(from_source).T
    probabilities = np.empty((len(sources), from_source.shape[1]), dtype=np.float32)
    for rows in row_blocks(len(sources)):
        of_class = np.maximum(np.einsum("ns,sc->nc", discriminator[rows].astype(np.float64), inverse), 0.0)
        probabilities[rows] = normalise_rows(of_class * from_source[sources[rows]])
    return probabilities
