"""SP2OT: partial optimal transport that also asks neighbours for the same cluster."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import xlogy

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, row_blocks
from windrow.tasks.algorithms.labels.cores.affinity import normalised_affinity
from windrow.tasks.algorithms.labels.cores.balanced_labels import class_shares, log_rows, shape_of
from windrow.tasks.algorithms.labels.cores.partial_transport import (
    TransportConfig,
    TransportLabels,
    check_transport,
    transport,
    transport_labels,
    with_virtual,
)
from windrow.tasks.algorithms.labels.cores.sinkhorn import scaled_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph


@dataclass(frozen=True)
class SemanticLabels:
    """labels: as of P2OT; objective: float64, of every plan on the way, the first being P2OT's; it never rises."""

    labels: TransportLabels
    objective: Float64Array


def sp2ot_labels(
    probabilities: Float32Array | SparseProbabilities,
    graph: NeighborGraph,
    rho: float = 1.0,
    semantic_weight: float = 3.0,
    config: TransportConfig | None = None,
    marginal: Float64Array | None = None,
    labels: Int64Array | None = None,
    gamma: float = 3.0,
    n_steps: int = 10,
) -> SemanticLabels:
    """P2OT's plan with - semantic_weight n <Q, S Q> added to what is minimised; its other arguments are P2OT's.

    Zhang et al. 2024, SP2OT: Semantic-regularized progressive partial optimal transport, by majorise-minimise: where S
    is positive semi-definite, -<Q, S Q> lies below its tangent, so the plan for the cost -log P - 2 semantic_weight n S
    Q is no worse than Q. S = (I + D^-1/2 W D^-1/2) / 2 of the graph, W as in `affinity` with this gamma: the
    normalised affinity's eigenvalues are from -1 to 1, so S's are from 0 to 1. The factor n, absent from the paper,
    makes semantic_weight mean the same in every pool: Q's entries are 1 / n at most. n_steps: of majorise-minimise,
    from P2OT's plan. Holds two arrays (n, n_classes) of float64, 16 n n_classes bytes, beside the graph.
    """
    config = config or TransportConfig()
    n, n_classes = shape_of(probabilities)
    check_transport(rho, labels, n, n_classes)
    if len(graph.indices) != n:
        raise ValueError(f"graph must have one row for each of the {n} samples, got {len(graph.indices)}")
    if not semantic_weight >= 0:
        raise ValueError(f"semantic_weight must not be negative, got {semantic_weight}")
    if n_steps < 1:
        raise ValueError(f"n_steps must be positive, got {n_steps}")
    shares = class_shares(marginal, n_classes)
    similarity = (normalised_affinity(graph, gamma) + sparse.eye_array(n, format="csr")) * 0.5
    pull = np.zeros((n, n_classes))

    def log_matrix(rows: slice) -> Float64Array:
        return with_virtual((log_rows(probabilities, rows) + pull[rows]) / config.eps, labels, rows)

    values, start = [], None
    for step in range(n_steps + 1):
        scaling = transport(log_matrix, n, rho, shares, config, start)
        plan, entropy = np.empty((n, n_classes)), 0.0
        for rows, logs in scaled_rows(log_matrix, scaling):
            mass = np.exp(logs)
            plan[rows], entropy = mass[:, :-1], entropy - float(xlogy(mass, mass).sum())
        neighbours = n * (similarity @ plan)
        values.append(
            _cost(probabilities, plan, labels)
            + config.size_weight * divergence(plan.sum(axis=0), rho * shares)
            - config.eps * entropy
            - semantic_weight * float((plan * neighbours).sum())
        )
        if step < n_steps:
            start = np.where(np.isfinite(scaling.column), scaling.column, 0.0)
            pull = 2.0 * semantic_weight * neighbours
    return SemanticLabels(transport_labels(log_matrix, scaling), np.array(values))


def divergence(mass: Float64Array, reference: Float64Array) -> float:
    """KL of two measures of one sum: sum mass log(mass / reference), 0 where there is no mass."""
    kept = mass > 0
    return float((mass[kept] * np.log(mass[kept] / reference[kept])).sum())


def _cost(probabilities: Float32Array | SparseProbabilities, plan: Float64Array, labels: Int64Array | None) -> float:
    """<plan, - log P> over the unlabelled samples; that of the labelled ones is the same for every plan."""
    free = np.ones(len(plan)) if labels is None else (labels < 0).astype(np.float64)
    return -sum(
        float((free[rows, None] * plan[rows] * log_rows(probabilities, rows)).sum()) for rows in row_blocks(len(plan))
    )
