"""What several label makers say together, and how far they agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.label_makers import Mean, ensemble


@dataclass(frozen=True)
class Combination:
    """The weighted mean of m makers, and where they differ.

    probabilities: float32 (n, n_classes), rows sum to 1. agrees: bool (n, m), whether the maker's most probable class
    is the mean's. agreement: float32 (n,), the weight of those that agree, from 0 to 1. disagreement: float32 (n,), the
    entropy of the arithmetic mean minus the mean of the makers' entropies, in nats from 0 (all say the same) to log
    n_classes (each is sure, of different classes): what is unsure because the makers differ, not because each is.
    """

    probabilities: Float32Array
    agrees: npt.NDArray[np.bool_]
    agreement: Float32Array
    disagreement: Float32Array


def combine(
    probabilities: Sequence[Float32Array], weights: Sequence[float] | None = None, mean: Mean = "geometric"
) -> Combination:
    """The mean, as in `ensemble`, of probabilities, arrays (n, n_classes) of the same samples; equal weights if None.

    Give each maker its `fit_temperature` on cross-fitted labels first: on 5,000 CIFAR-10 embeddings with 4 and 10
    labels a class that was worth more than any weights, weights learnt from the same labels added nothing, and the
    geometric mean was never behind the arithmetic one by more than chance, also with a maker near chance among them.

    Each sample is combined on its own: a pool may come in blocks of rows. A maker that knows nothing of a sample, all
    shares equal, agrees with nobody on it. Of equal classes the lowest is a maker's answer.
    """
    together = ensemble(probabilities, weights, mean)
    shares = np.full(len(probabilities), 1.0) if weights is None else np.asarray(weights, dtype=np.float64)
    shares = shares / shares.sum()
    answer = together.argmax(axis=1)
    agrees = np.stack([_knows(p) & (p.argmax(axis=1) == answer) for p in probabilities], axis=1)
    own = sum((s * _entropy(p) for s, p in zip(shares, probabilities, strict=True)), np.zeros(len(together)))
    # Jensen's inequality makes it positive, float32 rounding not always.
    disagreement = np.maximum(_entropy(ensemble(probabilities, weights)) - own, 0.0).astype(np.float32)
    return Combination(together, agrees, (agrees * shares).sum(axis=1).astype(np.float32), disagreement)


def consensus(clusterings: Sequence[Int64Array], n_clusters: int) -> Int64Array:
    """The cluster (n,), in the first clustering's numbers, of each sample that all clusterings agree on; -1 elsewhere.

    clusterings: int64 (n,) each, 0 to n_clusters - 1, or -1 where it abstains, which is no agreement. Each is
    renumbered by `align_clusters` to fit the first.
    """
    if not clusterings or len({c.shape for c in clusterings}) != 1:
        raise ValueError(f"clusterings must be one or more arrays of one shape, got {[c.shape for c in clusterings]}")
    agreed = clusterings[0].copy()
    for other in clusterings[1:]:
        agreed[align_clusters(clusterings[0], other, n_clusters) != clusterings[0]] = -1
    return agreed


def align_clusters(reference: Int64Array, other: Int64Array, n_clusters: int) -> Int64Array:
    """`other` (n,) renumbered one to one so that as many samples as possible have the same number as in reference (n,).

    Kuhn 1955, The Hungarian method, on the counts of shared samples: O(n_clusters^3). -1 stays -1.
    """
    for name, clusters in (("reference", reference), ("other", other)):
        if clusters.ndim != 1 or clusters.shape != reference.shape:
            raise ValueError(f"{name} must have the shape (n,) of the reference, got {clusters.shape}")
        if len(clusters) and not -1 <= clusters.min() <= clusters.max() < n_clusters:
            raise ValueError(f"{name} must be from -1 to {n_clusters - 1}, got {clusters.min()} to {clusters.max()}")
    both = (reference >= 0) & (other >= 0)
    pairs = other[both] * n_clusters + reference[both]
    shared = np.bincount(pairs, minlength=n_clusters * n_clusters).reshape(n_clusters, n_clusters)
    number = linear_sum_assignment(shared, maximize=True)[1]
    return np.where(other >= 0, number[other], -1).astype(np.int64)


def _knows(probabilities: Float32Array) -> npt.NDArray[np.bool_]:
    known: npt.NDArray[np.bool_] = probabilities.max(axis=1) > probabilities.min(axis=1)
    return known if probabilities.shape[1] > 1 else np.ones(len(known), dtype=np.bool_)


def _entropy(probabilities: Float32Array) -> Float64Array:
    wide = probabilities.astype(np.float64)
    logs = np.log(wide, out=np.zeros_like(wide), where=wide > 0)
    return np.asarray(-(wide * logs).sum(axis=1))
