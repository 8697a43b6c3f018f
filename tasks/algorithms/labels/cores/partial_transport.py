"""Labels for pools whose clusters differ in size: partial optimal transport, P2OT and SP2OT.

Only a share rho of the pool's mass has to be given a cluster; what is left goes to a virtual cluster that costs
nothing. The clusters' sizes are drawn to equal ones, not held there. With the virtual cluster as one more column this
is one Sinkhorn scaling: hard for the virtual column, soft for the others.
"""

from dataclasses import dataclass

import numpy as np

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.cores.balanced_labels import check_labels, clamp, class_shares, log_rows, shape_of
from windrow.tasks.algorithms.labels.cores.sinkhorn import LogMatrix, Scaling, scale, scaled_rows
from windrow.tasks.algorithms.labels.maker import Count, Positive
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


@dataclass(frozen=True)
class TransportConfig(Settings):
    """What a plan Q (n, n_classes) pays beside the cost <Q, -log P>, and when Sinkhorn's iterations stop.

    `size_weight`: of KL(the clusters' masses || rho times their marginal). `eps`: of the negative entropy of Q and the
    virtual cluster. `tolerance`, `max_iters`: of `sinkhorn.scale`.

    The defaults are for SP2OT as a refinement of another maker's probabilities. The papers cluster with size_weight 1
    and eps 0.1.
    """

    size_weight: Positive = 0.3
    eps: Positive = 1.0
    tolerance: Positive = 1e-6
    max_iters: Count = 2000


@dataclass(frozen=True)
class TransportLabels:
    """Soft labels, and how much of each sample the plan gave to a cluster.

    probabilities: float32 (n, n_classes), rows summing to 1; confidence: float32 (n,), 0 to 1, n times the sample's
    mass in the clusters: its mean is rho; shares: float64 (n_classes,), the clusters' masses, of sum rho.
    """

    probabilities: Float32Array
    confidence: Float32Array
    shares: Float64Array


def rho_ramp(step: int, n_steps: int, first: float = 0.1) -> float:
    """The mass to give in step 0 to n_steps: first + (1 - first) exp(-5 (1 - step / n_steps)^2), 1 in the last.

    Zhang et al. 2024, P2OT: Progressive partial optimal transport for deep imbalanced clustering, equation 10.
    """
    if not 0 <= step <= n_steps or n_steps < 1:
        raise ValueError(f"step must be from 0 to n_steps, got {step} of {n_steps}")
    if not 0 < first <= 1:
        raise ValueError(f"first must be above 0 and at most 1, got {first}")
    return float(first + (1 - first) * np.exp(-5 * (1 - step / n_steps) ** 2))


def p2ot_labels(
    probabilities: Float32Array | SparseProbabilities,
    rho: float = 1.0,
    config: TransportConfig | None = None,
    marginal: Float64Array | None = None,
    labels: Int64Array | None = None,
) -> TransportLabels:
    """The plan Q >= 0 that minimises <Q, -log P> + size_weight KL(Q'1 || rho marginal) + eps sum Q^ log Q^.

    Zhang et al. 2024, P2OT, section 4.2: Q1 <= 1/n, the sum of Q is rho, and Q^ = [Q, 1/n - Q1] has the virtual cluster
    as its last column. marginal: (n_classes,), equal if None. labels: int64 (n,), -1 for unlabelled: a labelled sample
    keeps its label, with confidence 1. A probability of 0 counts as 1e-7. The order of the samples does not matter.
    Raises NotConvergedError, and ValueError where rho is less than the share that is labelled.
    """
    config = config or TransportConfig()
    n, n_classes = shape_of(probabilities)
    check_transport(rho, labels, n, n_classes)
    shares = class_shares(marginal, n_classes)

    def log_matrix(rows: slice) -> Float64Array:
        return with_virtual(log_rows(probabilities, rows) / config.eps, labels, rows)

    return transport_labels(log_matrix, transport(log_matrix, n, rho, shares, config))


def check_transport(rho: float, labels: Int64Array | None, n: int, n_classes: int) -> None:
    """Raise ValueError unless 0 < rho <= 1 and the labelled samples, if any, have no more mass than rho."""
    if not 0 < rho <= 1:
        raise ValueError(f"rho must be above 0 and at most 1, got {rho}")
    check_labels(labels, n, n_classes)
    if labels is not None and np.count_nonzero(labels >= 0) > rho * n:
        raise ValueError(f"rho must be at least the share that is labelled, {np.mean(labels >= 0):.3g}, got {rho}")


def with_virtual(logs: Float64Array, labels: Int64Array | None, rows: slice) -> Float64Array:
    """Logarithms (b, n_classes) with those of the virtual cluster as a last column, closed to labelled samples."""
    virtual = np.zeros(len(logs)) if labels is None else np.where(labels[rows] >= 0, -np.inf, 0.0)
    return np.column_stack([clamp(logs, labels, rows), virtual])


def transport(
    log_matrix: LogMatrix,
    n: int,
    rho: float,
    shares: Float64Array,
    config: TransportConfig,
    start: Float64Array | None = None,
) -> Scaling:
    """The scaling of a log_matrix (n, n_classes + 1), the virtual cluster last, that gives the plan."""
    # eps log Q has size_weight log(mass / share) added to it: solved for the column, this is the power f.
    hardness = np.full(len(shares) + 1, config.size_weight / (config.size_weight + config.eps))
    hardness[-1] = 1.0
    marginal = np.append(rho * shares, 1.0 - rho)
    rows = np.full(n, 1.0 / n)
    return scale(log_matrix, rows, marginal, hardness, config.tolerance, config.max_iters, start)


def transport_labels(log_matrix: LogMatrix, scaling: Scaling) -> TransportLabels:
    """The labels that a plan gives. Of a sample with hardly any mass in the clusters, the ratios still count."""
    n, n_classes = len(scaling.row), len(scaling.column) - 1
    probabilities = np.empty((n, n_classes), dtype=np.float32)
    confidence = np.empty(n, dtype=np.float32)
    for rows, logs in scaled_rows(log_matrix, scaling):
        real = np.exp(logs[:, :-1] - logs[:, :-1].max(axis=1, keepdims=True))
        probabilities[rows] = real / real.sum(axis=1, keepdims=True)
        confidence[rows] = np.clip(n * np.exp(logs[:, :-1]).sum(axis=1), 0.0, 1.0)
    return TransportLabels(probabilities, confidence, scaling.column_mass[:-1])
