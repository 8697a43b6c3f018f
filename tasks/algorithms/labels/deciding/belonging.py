"""Whether a sample belongs to the labelled classes at all: confidence is among the classes, and cannot say.

The field calls it out-of-distribution or open-set detection, and the answer a conformal p-value.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.deciding.label_policy import Decision
from windrow.tasks.algorithms.labels.label_makers import check_pool, labelled_rows
from windrow.tasks.algorithms.labels.makers.label_propagation import affinity, spread
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, search

NEAREST = 3
SHARPNESS = 5
STEP = 0.9
GAMMA = 3.0
N_FOLDS = 32
COLUMNS = 16
TOLERANCE = 1e-12
# What a walk that cannot get there leaves of the solver's error.
UNREACHED = 1e-10


def belonging(embeddings: npt.NDArray[Any], graph: NeighborGraph, labels: Int64Array) -> Float32Array:
    """How usual it would be for a sample of the labelled classes to be this far from the labels: float32 (n,), 0 to 1.

    A conformal p-value (Vovk et al. 2005; Bates et al. 2023, Testing for outliers with conformal p-values): with m
    labels, (1 + the number of labelled samples that are no nearer to the others) / (m + 1). Given samples get 1.
    Embeddings (n, d), their k-NN graph, labels int64 (n,), -1 where there is none; classes play no part in it.

    Near is `nearness`. It never falls when a label is added, so taking a labelled sample out with its fold makes it
    seem no nearer than it is, and the p-value is at least that of full conformal prediction: of samples that are drawn
    as the labelled ones were, a share of alpha at most, on average over draws of the labels, has a p-value of alpha or
    less, whatever the classes and the embedding. Labels given evenly of a long-tailed pool are not so drawn: the
    promise is then kept for their mix. With m labels no p-value is below 1 / (m + 1): 18 labels refuse nothing at
    0.05, 48 nothing at 0.02. For the same reason there is none for each class: it would take 49 labels of each.

    Measured (tests/benchmarks/belonging.md, 3 seeds), at 0.02 with 10 labels a class. In the demo 100 % of the
    photographs among digits were refused, and 1.9 % of the digits; among 3,000 images of CIFAR-10 (frozen MobileNetV2)
    100 % of digits and 48 % of photographs, and 1 to 3 % of CIFAR's own; in a long tail 100, 30 and 1 % (up to 6 % in
    the runs that the score was chosen with). Classes that nobody labelled are hardly told from the labelled (2 to 6 %
    refused, up to 100 labels a class): this is no detector of new classes. Coverage of the classes at a confidence of
    0.8 (makers propagation, probe and smoothed) fell by 2 points at most, and at 0.05 by 2, but in the demo by 9: its
    labels are even, its pool is not.
    scikit-learn's LocalOutlierFactor on the labelled samples found more of the photographs (68 %) and fewer of the
    digits (46 %).
    """
    check_pool(embeddings, labels)
    check_pool(graph.indices, labels)
    rows = labelled_rows(labels, int(labels.max(initial=0)) + 1)
    pool, held_out = nearness(embeddings, graph, labels)
    n_farther = np.searchsorted(np.sort(held_out), pool, side="right")
    p_values: Float32Array = ((1 + n_farther) / (len(rows) + 1)).astype(np.float32)
    p_values[rows] = 1.0
    return p_values


def nearness(
    embeddings: npt.NDArray[Any], graph: NeighborGraph, labels: Int64Array
) -> tuple[Float32Array, Float32Array]:
    """How near samples are to the labels (n,), and labelled ones (m,) to labels of other folds; 0 is out of reach.

    The product of two scores. Mean cosine to the NEAREST labelled samples (Sun et al. 2022, Out-of-distribution
    detection with deep nearest neighbors), to the power of SHARPNESS: it finds samples that are like nothing else. And
    the probability that a walk over the graph stops on a labelled sample, when it goes on with probability STEP
    (label propagation's mass, before classes are compared): it finds groups that are like each other. Either alone is
    blind to what the other finds. Permuting the samples permutes the answer, but for ties that rounding breaks.

    Takes as long as label propagation of as many classes as there are folds, the number of labels or N_FOLDS, and holds
    about 0.7 kB a sample (100,000 samples of 64 dimensions with 1,000 labels: 4 s on a core).
    """
    rows = labelled_rows(labels, int(labels.max(initial=0)) + 1)
    near = _cosine(embeddings, rows) ** SHARPNESS
    # Sorted by class, labels of one are dealt to as many folds as can be; by nearness, the order of rows is no matter.
    order = np.lexsort((near[rows], labels[rows]))
    folds = np.full(len(labels), -1, dtype=np.int64)
    folds[rows[order]] = np.arange(len(rows)) % N_FOLDS
    reached, reached_by_others = _walk(graph, folds)
    # In float32, rounding of sums over the graph breaks fewer ties.
    return (near * reached).astype(np.float32), (near[rows] * reached_by_others[rows]).astype(np.float32)


def refuse(decision: Decision, belonging: Float32Array, alpha: float) -> Decision:
    """The decision without its labels of samples whose `belonging` is alpha or less; given labels have 1 and stand."""
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


def _cosine(embeddings: npt.NDArray[Any], rows: Int64Array) -> Float64Array:
    """Mean cosine (n,) to the NEAREST labelled samples other than itself; one that is missing or negative counts 0."""
    own = np.full(len(embeddings), -1, dtype=np.int64)
    own[rows] = np.arange(len(rows))
    found = search(embeddings, embeddings[rows], min(NEAREST, len(rows)), exclude=own)
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
    smoother = (sparse.diags_array(scale) @ weights @ sparse.diags_array(scale)).tocsr()
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
