"""The linear probe fitted to soft labels, with the regularisers of self-training."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, check_embeddings, row_blocks, unit_rows
from windrow.tasks.algorithms.labels.cores.logistic_probe import LogisticProbe
from windrow.tasks.algorithms.labels.cores.sinkhorn import log_sum_exp
from windrow.tasks.algorithms.labels.maker import Count, NotNegative, Positive


@dataclass(frozen=True)
class SoftProbeConfig(Settings):
    """How a probe is fitted to soft labels.

    `l2`: weight of ||weights||^2 / 2. `balance`: of KL(uniform || mean prediction). `entropy`: of the predictions' mean
    entropy. `max_iters`: of L-BFGS; a probe stopped early is a regularised one, not a mistake.
    """

    l2: Positive = 0.01
    balance: NotNegative = 0.0
    entropy: NotNegative = 0.0
    max_iters: Count = 50


def fit_soft_probe(
    embeddings: npt.NDArray[Any],
    targets: Float32Array,
    weights: Float64Array | None = None,
    config: SoftProbeConfig | None = None,
    start: LogisticProbe | None = None,
) -> LogisticProbe:
    """The probe that minimises the weighted mean of cross-entropy(targets, prediction) plus the config's terms.

    embeddings (n, d) are L2-normalised; targets (n, n_classes), rows summing to 1; weights
    (n,), not negative, equal if None: they count in the regularisers' means too. balance and entropy are those of
    Arazo et al. 2020, Pseudo-labeling and confirmation bias in deep semi-supervised learning, equations 3 and 4; with
    entropy the objective is no longer convex, and the answer depends on start (zeros if None). No seed. Holds the
    unit rows as float32, 4 n d bytes, and a few arrays (n, n_classes) of float64.
    """
    from scipy.optimize import minimize

    config = config or SoftProbeConfig()
    shares = _check(embeddings, targets, weights)
    # A sample without weight has no part in the fit.
    used = np.flatnonzero(shares)
    features = np.empty((len(used), embeddings.shape[1]), dtype=np.float32)
    for rows in row_blocks(len(used)):
        features[rows] = unit_rows(embeddings[used[rows]])[0]
    objective = _Objective(features, targets[used].astype(np.float64), shares[used], config)
    first = np.zeros((embeddings.shape[1] + 1, targets.shape[1]))
    if start is not None:
        first[:-1], first[-1] = start.weights, start.bias
    # A matrix product shared among threads adds up in another order: one thread, so that every machine size agrees.
    with threadpool_limits(limits=1):
        options = {"maxiter": config.max_iters, "gtol": 1e-6, "ftol": 1e-12}
        found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    table = np.asarray(found.x, dtype=np.float64).reshape(first.shape)
    return LogisticProbe(np.arange(targets.shape[1]), targets.shape[1], table[:-1], table[-1])


@dataclass(frozen=True)
class _Objective:
    features: Float32Array
    targets: Float64Array
    shares: Float64Array
    config: SoftProbeConfig

    def __call__(self, flat: Float64Array) -> tuple[float, Float64Array]:
        d, n_classes = self.features.shape[1], self.targets.shape[1]
        table = flat.reshape(d + 1, n_classes)
        logs = np.concatenate([self.features[rows] @ table[:d] for rows in row_blocks(len(self.features))]) + table[d]
        logs -= log_sum_exp(logs, axis=1)[:, None]
        loss, residual = self._loss(logs)
        gradient = np.vstack([self.config.l2 * table[:d], residual.sum(axis=0)])
        for rows in row_blocks(len(self.features)):
            gradient[:d] += self.features[rows].T @ residual[rows]
        return loss + 0.5 * self.config.l2 * float(np.square(table[:d]).sum()), gradient.ravel()

    def _loss(self, logs: Float64Array) -> tuple[float, Float64Array]:
        """The loss of log-probabilities (n, n_classes), and its gradient by the logits."""
        share = self.shares[:, None]
        predicted = np.exp(logs)
        mean = np.maximum((share * predicted).sum(axis=0), np.finfo(np.float64).tiny)
        entropy = -(predicted * logs).sum(axis=1, keepdims=True)
        # dH/dlogit = -p (log p + H); d(-mean(log mean_c))/dlogit = (p_c sum_k p_k / mean_k - p_c / mean_c) / K
        lean = predicted / mean / len(mean)
        residual = share * (
            predicted
            - self.targets
            - self.config.entropy * predicted * (logs + entropy)
            + self.config.balance * (predicted * lean.sum(axis=1, keepdims=True) - lean)
        )
        divergence = -np.log(len(mean) * mean).mean()
        loss = -(share * self.targets * logs).sum() + self.config.entropy * (share * entropy).sum()
        return float(loss + self.config.balance * divergence), np.asarray(residual)


def _check(embeddings: npt.NDArray[Any], targets: Float32Array, weights: Float64Array | None) -> Float64Array:
    check_embeddings("embeddings", embeddings)
    if targets.ndim != 2 or len(targets) != len(embeddings) or not targets.size:
        raise ValueError(f"targets must have shape ({len(embeddings)}, n_classes), got {targets.shape}")
    given = np.ones(len(targets)) if weights is None else np.asarray(weights, dtype=np.float64)
    if given.shape != (len(targets),) or not (given >= 0).all() or not 0 < given.sum() < np.inf:
        raise ValueError(f"weights must be {len(targets)} finite numbers from 0, not all 0, got {weights}")
    return np.asarray(given / given.sum())
