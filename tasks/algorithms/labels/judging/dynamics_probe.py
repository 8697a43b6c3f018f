"""A softmax head on frozen embeddings, trained by gradient steps so that its epochs can be watched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array, check_embeddings, unit_rows
from windrow.tasks.algorithms.labels.cores.standardisation import standardisation
from windrow.tasks.algorithms.labels.judging.judgement import check_given

BLOCK = 8192
FIRST_WEIGHTS = 0.1
MOMENTUM = 0.9  # Nesterov's


@dataclass(frozen=True)
class ProbeTraining(Settings):
    """How the head is trained whose epochs are watched. An epoch is one gradient step over all samples.

    `n_epochs`: epochs, all at one learning rate. `n_seeds`: heads, each from its own first weights. `learning_rate`:
    on embeddings standardised and divided by sqrt(dim), so that it means the same for any dim. `early_epoch`: from 0,
    whose errors el2n and grand take.
    """

    n_epochs: Annotated[int, Ge(1)] = 40
    n_seeds: Annotated[int, Ge(1)] = 3
    learning_rate: Annotated[float, Gt(0)] = 10.0
    early_epoch: Annotated[int, Ge(0)] = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.early_epoch >= self.n_epochs:
            raise ValueError(f"early_epoch: wants 0 to below the {self.n_epochs} epochs, got {self.early_epoch}")


def probe_features(embeddings: npt.NDArray[Any]) -> Float32Array:
    """Return what the head sees, float32 (n, d + 1): standardised, and a column of ones for the bias."""
    check_embeddings("embeddings", embeddings)
    mean, scale = standardisation(embeddings)
    features = np.ones((len(embeddings), embeddings.shape[1] + 1), dtype=np.float32)
    for start in range(0, len(embeddings), BLOCK):
        part = slice(start, start + BLOCK)
        features[part, :-1] = (unit_rows(embeddings[part])[0] - mean) / scale
    return features


def probe_epochs(
    features: Float32Array, labels: Int64Array, n_classes: int, seed: int, training: ProbeTraining
) -> Iterator[Float32Array]:
    """Yield the logits float32 (n, n_classes) after each of n_epochs steps of mean cross-entropy.

    features are those of probe_features. Whole-batch steps have no order of samples: permuted rows give permuted
    logits, but for the rounding of float64 sums; the seed draws the first weights only. The logits are the method's
    state, 4 n n_classes bytes.
    """
    check_given(labels, n_classes, len(features))
    from threadpoolctl import ThreadpoolController

    rng = np.random.default_rng(seed)
    weights = rng.normal(0.0, FIRST_WEIGHTS, (features.shape[1], n_classes))
    velocity = np.zeros_like(weights)
    threads = ThreadpoolController()
    for _ in range(training.n_epochs):
        # A product shared among threads adds up in another order; one thread gives the same bits on every machine size.
        with threads.limit(limits=1):
            ahead = weights + MOMENTUM * velocity
            velocity = MOMENTUM * velocity - training.learning_rate * _gradient(features, labels, ahead)
            weights = weights + velocity
            logits = _logits(features, weights)
        yield logits


def _logits(features: Float32Array, weights: Float64Array) -> Float32Array:
    narrow = weights.astype(np.float32)
    return np.concatenate([features[start : start + BLOCK] @ narrow for start in range(0, len(features), BLOCK)])


def _gradient(features: Float32Array, labels: Int64Array, weights: Float64Array) -> Float64Array:
    total = np.zeros_like(weights)
    for start in range(0, len(features), BLOCK):
        block, own = features[start : start + BLOCK], labels[start : start + BLOCK]
        logits = _logits(block, weights).astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        residual = powers / powers.sum(axis=1, keepdims=True)
        residual[np.arange(len(own)), own] -= 1.0
        total += block.T @ residual.astype(np.float32)
    return total / len(features)
