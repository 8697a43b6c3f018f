"""Whether a sample belongs to the labelled classes at all: confidence is among the classes, and cannot say.

The field calls it out-of-distribution or open-set detection, and the answer a conformal p-value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.cores.affinity import LocalMatrix, affinity, affinity_of, spread
from windrow.tasks.algorithms.labels.deciding.policy import Decision
from windrow.tasks.algorithms.labels.folds import check_pool, labelled_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, search

NEAREST = 3
SHARPNESS = 5
STEP = 0.9
GAMMA = 3.0
N_FOLDS = 32
MOST_EXACT = 10**10
"""Samples x labels, of a pool, that are compared with each other. Beyond, a sample meets the labels of the cells that
are nearest to it: 6 % of the cells of 50,000 labels. On MobileNetV2's features of CIFAR-10 6 % (16 of the 250 cells of
16,000 images) make the mean cosine of others to the three nearest .0017 less, a 36th of its deviation."""
COLUMNS = 16
TOLERANCE = 1e-12
# Probabilities below this are rounding errors of the solver: the walk cannot reach the label.
UNREACHED = 1e-10


def belonging(embeddings: npt.NDArray[Any], graph: NeighborGraph, labels: Int64Array) -> Float32Array:
    """Return how usual it would be for a sample of the labelled classes to be this far from the labels, float32 (n,).

    From 0 to 1: a conformal p-value (Vovk et al. 2005; Bates et al. 2023, Testing for outliers with conformal
    p-values): with m labels, (1 + the number of labelled samples that are no nearer to the others) / (m + 1). Given
    samples get 1. Embeddings (n, d), their k-NN graph, labels int64 (n,), -1 where there is none; classes play no part
    in it.

    Near is `nearness`. It never falls when a label is added, so taking a labelled sample out with its fold makes it
    seem no nearer than it is, and the p-value is at least that of full conformal prediction: of samples that are drawn
    as the labelled ones were, a share of alpha at most, on average over draws of the labels, has a p-value of alpha or
    less, whatever the classes and the embedding. Labels given evenly of a long-tailed pool are not so drawn: the
    promise is then kept for their mix. With m labels no p-value is below 1 / (m + 1): 18 labels refuse nothing at
    0.05, 48 nothing at 0.02. For the same reason there is none for each class: it would take 49 labels of each.
    """
    return judge_belonging(embeddings, graph, labels).p_values


@dataclass(frozen=True)
class Belonging:
    """p_values: float32 (n,), see `belonging`; and what more samples can be judged by (`belonging_of_new`).

    reached: float32 (n,), the probability that a walk from each sample stops on a labelled one. held_out: float32 (m,),
    how near labelled samples are to those of other folds.
    """

    p_values: Float32Array
    reached: Float32Array
    held_out: Float32Array


def judge_belonging(embeddings: npt.NDArray[Any], graph: NeighborGraph, labels: Int64Array) -> Belonging:
    """See `belonging`."""
    check_pool(embeddings, labels)
    check_pool(graph.indices, labels)
    rows = labelled_rows(labels, int(labels.max(initial=0)) + 1)
    pool, held_out, reached = _nearness(embeddings, graph, labels)
    return Belonging(_p_values(pool, held_out, np.isin(np.arange(len(labels)), rows)), reached, held_out)


def belonging_of_new(
    embeddings: npt.NDArray[Any], graph: NeighborGraph, labels: Int64Array, new: Int64Array, before: Belonging
) -> Belonging:
    """The answer for the rows `new`, int64 (k,), beside others that were judged before: those of these stay.

    before: p_values and reached (n,), what they hold of new rows is not read; held_out of the labels of then, by which
    the new rows are ranked. Takes what the edges of the new rows do.
    """
    check_pool(embeddings, labels)
    check_pool(graph.indices, labels)
    weights, degrees = affinity_of(graph, GAMMA, new)
    share = np.divide(STEP, degrees[new], out=np.zeros(len(new)), where=degrees[new] > 0)
    fixed = before.reached.astype(np.float64)
    fixed[new] = 0.0
    source = (1 - STEP) * (labels[new] >= 0) + share * (weights @ fixed)
    among, stops = weights[:, new], source.copy()
    for _ in range(math.ceil(math.log(TOLERANCE) / math.log(STEP))):
        stops = source + share * (among @ stops)
    stops[stops < UNREACHED] = 0.0
    near = _cosine(embeddings, labelled_rows(labels, int(labels.max(initial=0)) + 1), new) ** SHARPNESS
    p_values, reached = before.p_values.copy(), before.reached.copy()
    p_values[new] = _p_values((near * stops).astype(np.float32), before.held_out, labels[new] >= 0)
    reached[new] = stops
    return Belonging(np.where(labels >= 0, np.float32(1), p_values), reached, before.held_out)


def _p_values(nearness: Float32Array, held_out: Float32Array, known: BoolArray) -> Float32Array:
    n_farther = np.searchsorted(np.sort(held_out), nearness, side="right")
    p_values: Float32Array = ((1 + n_farther) / (len(held_out) + 1)).astype(np.float32)
    p_values[known] = 1.0
    return p_values


def nearness(
    embeddings: npt.NDArray[Any], graph: NeighborGraph, labels: Int64Array
) -> tuple[Float32Array, Float32Array]:
    """Return how near samples are to the labels (n,), and labelled ones (m,) to labels of other folds; 0: out of reach.

    The product of two scores. Mean cosine to the NEAREST labelled samples (Sun et al. 2022, Out-of-distribution
    detection with deep nearest neighbors), to the power of SHARPNESS: it finds samples that are like nothing else. And
    the probability that a walk over the graph stops on a labelled sample, when it goes on with probability STEP
    (label propagation's mass, before classes are compared): it finds groups that are like each other. Either alone is
    blind to what the other finds. Permuting the samples permutes the answer, but for ties that rounding breaks, and of
    a pool with more than MOST_EXACT pairs, whose cells are learnt from a sample of the labels.

    Takes as long as label propagation of as many classes as there are folds, the number of labels or N_FOLDS, and, with
    more than MOST_EXACT pairs, n m^(1/2) comparisons; holds about 0.7 kB a sample.
    """
    return _nearness(embeddings, graph, labels)[:2]


def _nearness(
    embeddings: npt.NDArray[Any], graph: NeighborGraph, labels: Int64Array
) -> tuple[Float32Array, Float32Array, Float32Array]:
    rows = labelled_rows(labels, int(labels.max(initial=0)) + 1)
    near = _cosine(embeddings, rows, slice(None)) ** SHARPNESS
    # Sorted by class, labels of one are dealt to as many folds as can be; by nearness, the order of rows is no matter.
    order = np.lexsort((near[rows], labels[rows]))
    folds = np.full(len(labels), -1, dtype=np.int64)
    folds[rows[order]] = np.arange(len(rows)) % N_FOLDS
    reached, reached_by_others = _walk(graph, folds)
    # In float32, rounding of sums over the graph breaks fewer ties.
    held_out = (near[rows] * reached_by_others[rows]).astype(np.float32)
    return (near * reached).astype(np.float32), held_out, reached.astype(np.float32)


def refuse(decision: Decision, belonging: Float32Array, alpha: float) -> Decision:
    """Return the decision without labels where `belonging` is alpha or less; given labels have 1 and stand."""
    if not 0 <= alpha < 1:
        raise ValueError(f"alpha must be from 0 to below 1, got {alpha}")
    if belonging.shape != decision.label.shape:
        raise ValueError(f"belonging must have shape {decision.label.shape}, got {belonging.shape}")
    refused = belonging <= np.float32(alpha)
    return replace(
        decision,
        label=np.where(refused, -1, decision.label),
        abstained=decision.abstained | refused,
        weight=np.where(refused, np.float32(0), decision.weight),
    )


def searches_all(n: int, n_labels: int) -> bool:
    """Whether the samples of a pool, and those that came since, are compared with all of its labels."""
    return n * n_labels <= MOST_EXACT


def _cosine(embeddings: npt.NDArray[Any], rows: Int64Array, asked: Int64Array | slice) -> Float64Array:
    """Mean cosine (k,) of asked samples to the NEAREST labelled ones other than itself; one that is missing or negative
    counts 0."""
    own = np.full(len(embeddings), -1, dtype=np.int64)
    own[rows] = np.arange(len(rows))
    queries, base, exclude, k = embeddings[asked], embeddings[rows], own[asked], min(NEAREST, len(rows))
    if searches_all(len(embeddings), len(rows)):
        found = search(queries, base, k, exclude=exclude)
    else:
        from windrow.tasks.algorithms.neighbors.approximate_neighbors import approximate_search

        found = approximate_search(queries, base, k, exclude)
    total: Float64Array = np.maximum(found.similarity.astype(np.float64), 0.0).sum(axis=1)
    return total / NEAREST


def _walk(graph: NeighborGraph, folds: Int64Array) -> tuple[Float64Array, Float64Array]:
    """Probabilities (n,) of stopping on a labelled sample, and on one of another fold; folds (n,), -1 if unlabelled.

    D^-1 W is D^-1/2 S D^1/2: the walk is solved for in the symmetric S, COLUMNS folds at a time.
    """
    from scipy import sparse

    weights = affinity(graph, GAMMA)
    degree = np.asarray(weights.sum(axis=1)).ravel()
    root = np.sqrt(degree)
    scale = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    smoother = LocalMatrix.of((sparse.diags_array(scale) @ weights @ sparse.diags_array(scale)).tocsr())
    reached, by_others = np.zeros(len(folds)), np.zeros(len(folds))
    n_folds = int(folds.max()) + 1
    for start in range(0, n_folds, COLUMNS):
        columns = np.arange(start, min(start + COLUMNS, n_folds))
        own = folds[:, None] == columns
        stops = scale[:, None] * spread(smoother, root[:, None] * own, STEP, TOLERANCE)
        stops[stops < UNREACHED] = 0.0
        reached += stops.sum(axis=1)
        by_others += np.where(own, 0.0, stops).sum(axis=1)
    return reached, by_others
