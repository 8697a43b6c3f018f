"""Predictions for new samples from those of their neighbours, which stay as they are."""

from __future__ import annotations

import numpy as np

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array
from windrow.tasks.algorithms.labels.probabilities import normalise_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

TOLERANCE = 1e-5
MOST_STEPS = 200


def extend_predictions(
    graph: NeighborGraph, predictions: Float32Array, known: BoolArray, gamma: float = 3.0
) -> Float32Array:
    """The predictions (n, n_classes) with every row that is not `known` (n,) the mean of its neighbours'.

    F_u = (I - P_uu)^-1 P_uk F_k, P the neighbours' weights max(cos, 0)^gamma over their sum: the harmonic function of
    Zhu, Ghahramani and Lafferty 2003, Semi-supervised learning using Gaussian fields and harmonic functions, equation
    5, over each new sample's own k nearest. Where all of these are known it is the induction formula of Delalleau,
    Bengio and Le Roux 2005, Efficient non-parametric function induction in semi-supervised learning. Rows that reach
    no known row get uniform shares. Costs k n_classes for each new row and step, whatever n is. Raises ValueError where
    the arguments are not of one length.
    """
    n = len(graph.indices)
    if predictions.shape[0] != n or known.shape != (n,):
        raise ValueError(
            f"wants {n} predictions and marks, as the graph has rows, got {predictions.shape} {known.shape}"
        )
    new = np.flatnonzero(~known)
    neighbors = graph.indices[new]
    weights = np.where(neighbors >= 0, np.maximum(graph.similarity[new].astype(np.float64), 0.0) ** gamma, 0.0)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    found = predictions.astype(np.float32)
    found[new] = 0
    for _ in range(MOST_STEPS):
        heard = np.einsum("ij,ijc->ic", weights, found[neighbors])
        moved = np.abs(heard - found[new]).max(initial=0.0)
        found[new] = heard
        if moved <= TOLERANCE:
            break
    found[new] = normalise_rows(found[new].astype(np.float64))
    return found
