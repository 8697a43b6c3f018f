"""Prototypes that move to where the pool is, with neighbours that agree: seeded k-means on a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.arrays import (
    Float32Array,
    Float64Array,
    Int64Array,
    check_embeddings,
    row_blocks,
    unit_rows,
)
from windrow.tasks.algorithms.labels.cores.affinity import normalised_affinity
from windrow.tasks.algorithms.labels.cores.standardisation import centred_units, class_means, pool_mean
from windrow.tasks.algorithms.labels.folds import Predict, check_pool, labelled_rows
from windrow.tasks.algorithms.labels.maker import LabelPool, Maker, NotNegative, Positive, given
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

if TYPE_CHECKING:
    from scipy import sparse

# The gap at which the steps end, and how many there are at most.
TOLERANCE = 1e-3
MAX_ITERS = 100


@dataclass(frozen=True)
class TransductivePrototypes(Maker):
    """Class shares y and means m that minimise, over the pool's rows f and with labelled rows fixed to their class,

        sum_ic w_i y_ic |f_i - m_c|^2 / 2 + temperature sum_ic y_ic log y_ic - strength / 2 sum_ij S_ij y_i . y_j

    with w_i the seed_weight of a labelled row, else 1, S as in `LabelPropagation`, f as in `Prototypes`. After Ziko et
    al. 2021, Transductive few-shot learning: clustering is all you need?, their bound optimiser with K-means
    prototypes. All y move at once, y_i = softmax((-|f_i - m|^2 / 2 + strength sum_j S_ij y_j) / temperature) where they
    rest, then the means, from the labelled rows' means. Damped (see `damped_step`), so that the objective never rises.
    With temperature 0 the softmax is an argmax, the lowest class of equals: with strength 0 and seed_weight 1 this is
    k-means with seeds; with strength above 0 it may swing between two answers, and then says that it did not converge.
    Memory: two float64 arrays (n, c), 16 bytes a sample and class; each iteration reads the pool once.

    `strength`: of the neighbours, in the units of a squared distance over 2; 0 leaves the graph out.
    `temperature`: of the shares; 0 gives every sample to one class.
    `seed_weight`: samples that a labelled one counts as in its class's mean.
    `gamma`: an edge weighs cosine^gamma.
    """

    strength: NotNegative = 0.1
    temperature: NotNegative = 0.05
    seed_weight: Positive = 100.0
    gamma: Positive = 3.0

    needs = ("labels", "graph")

    def fit(self, pool: LabelPool) -> Predict:
        x, graph, n_classes = pool.embeddings, given(pool.graph, "graph"), pool.n_classes
        return lambda labels, rows: self.moved(x, graph, labels, n_classes).probabilities[rows]

    def moved(
        self,
        embeddings: npt.NDArray[Any],
        graph: NeighborGraph,
        labels: Int64Array,
        n_classes: int,
        tolerance: float = TOLERANCE,
        max_iters: int = MAX_ITERS,
    ) -> MovedPrototypes:
        """Where the prototypes of embeddings (n, d) with labels int64 (n,), -1 for none, end. Raises ValueError."""
        check_embeddings("embeddings", embeddings)
        check_pool(embeddings, labels)
        if len(graph.indices) != len(labels):
            raise ValueError(f"graph must have a row for each of the {len(labels)} labels, got {len(graph.indices)}")
        labelled = labelled_rows(labels, n_classes)
        origin = pool_mean(embeddings)
        classes, means = class_means(centred_units(embeddings[labelled], origin), labels[labelled])
        scale, shift = _scales(embeddings, origin)
        state = _Pool(embeddings, origin, scale, shift, normalised_affinity(graph, self.gamma), labels, classes, self)
        with threadpool_limits(limits=1):
            shares, means, _ = state.iterate(None, means)
            for n_iters in range(1, max_iters + 1):
                moved, moved_means, gap = state.iterate(shares, means)
                if gap <= tolerance or n_iters == max_iters:
                    break
                shares, means = moved, moved_means
        probabilities = np.zeros((len(labels), n_classes), dtype=np.float32)
        probabilities[:, classes] = shares
        return MovedPrototypes(probabilities, classes, means, n_iters, gap, gap <= tolerance)


@dataclass(frozen=True)
class MovedPrototypes:
    """probabilities: float32 (n, n_classes); means: float64 (c, d) of the classes int64 (c,) that had labels.

    gap: the most by which a sample's probability differs from what the means and its neighbours make it, after n_iters
    steps; converged: whether that is at most the tolerance.
    """

    probabilities: Float32Array
    classes: Int64Array
    means: Float64Array
    n_iters: int
    gap: float
    converged: bool


@dataclass(frozen=True)
class _Pool:
    embeddings: npt.NDArray[Any]
    origin: Float64Array
    scale: Float64Array
    shift: Float64Array
    affinity: sparse.csr_array
    labels: Int64Array
    classes: Int64Array
    maker: TransductivePrototypes

    def iterate(self, shares: Float64Array | None, means: Float64Array) -> tuple[Float64Array, Float64Array, float]:
        """New shares from the old (none yet: by distance alone) and the means; their means; the old shares' gap."""
        moved = np.empty((len(self.labels), len(self.classes)))
        sums, mass, gap = np.zeros_like(means), np.zeros((len(means), 1)), 0.0
        for block in row_blocks(len(self.labels)):
            raw, scale, shift = self.embeddings[block].astype(np.float64), self.scale[block], self.shift[block]
            # Of f = scale raw - shift origin; |f|^2 / 2 is the same for every class.
            nearness = scale * (raw @ means.T) - shift * (means @ self.origin) - 0.5 * np.square(means).sum(axis=1)
            if shares is None:
                mine = self._seeded(self._rest(nearness, np.zeros_like(nearness)), block)
            else:
                heard = self.affinity[block] @ shares
                rest = self._seeded(self._rest(nearness, heard), block)
                gap = max(gap, float(np.abs(rest - shares[block]).max(initial=0.0)))
                mine = self._seeded(self._step(nearness, heard, shares[block]), block)
            weighted = mine * np.where(self.labels[block] >= 0, self.maker.seed_weight, 1.0)[:, None]
            moved[block], mass = mine, mass + weighted.sum(axis=0)[:, None]
            sums += (weighted * scale).T @ raw - np.outer((weighted * shift).sum(axis=0), self.origin)
        return moved, sums / mass, gap

    def _rest(self, nearness: Float64Array, heard: Float64Array) -> Float64Array:
        from scipy.special import softmax

        score = nearness + self.maker.strength * heard
        if self.maker.temperature:
            return np.asarray(softmax(score / self.maker.temperature, axis=1))
        return np.asarray((score.argmax(axis=1)[:, None] == np.arange(score.shape[1])).astype(np.float64))

    def _step(self, nearness: Float64Array, heard: Float64Array, before: Float64Array) -> Float64Array:
        from windrow.tasks.algorithms.labels.cores.prediction_smoothing import damped_step

        if not self.maker.temperature:
            return self._rest(nearness, heard)
        logits = nearness / self.maker.temperature
        return damped_step(logits, heard, before, self.maker.strength / self.maker.temperature)

    def _seeded(self, shares: Float64Array, block: slice) -> Float64Array:
        labels = self.labels[block, None]
        return np.where(labels >= 0, labels == self.classes, shares)


def _scales(embeddings: npt.NDArray[Any], origin: Float64Array) -> tuple[Float64Array, Float64Array]:
    """scale and shift (n, 1) with centred_units(x) = scale x - shift origin, so that products need no copy."""
    scale, shift = np.empty((len(embeddings), 1)), np.empty((len(embeddings), 1))
    for block in row_blocks(len(embeddings)):
        units, norms = unit_rows(embeddings[block])
        lengths = unit_rows(units - origin)[1]
        shift[block, 0] = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        scale[block, 0] = shift[block, 0] * np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    return scale, shift
