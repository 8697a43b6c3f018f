"""Rounds of a probe that learns what is made of its own last predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array
from windrow.tasks.algorithms.labels.cores.logistic_probe import LogisticProbe
from windrow.tasks.algorithms.labels.cores.soft_probe import SoftProbeConfig, fit_soft_probe
from windrow.tasks.algorithms.labels.probabilities import predict_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

# The number of the round, from 0, and its start's probabilities (n, n_classes) -> soft labels and weights (n,) to fit.
Relabel = Callable[[int, Float32Array], tuple[Float32Array, Float64Array]]


@dataclass(frozen=True)
class Rounds:
    """What each round's probe predicts, the start first, the last one in full, and the last probe."""

    kept: list[SparseProbabilities]
    probabilities: Float32Array
    probe: LogisticProbe


def self_train(
    embeddings: npt.NDArray[Any],
    start: Float32Array,
    relabel: Relabel,
    n_rounds: int,
    config: SoftProbeConfig | None = None,
    n_kept: int = 10,
) -> Rounds:
    """Probes fitted in turn to what `relabel` makes of the last predictions, from start (n, n_classes) on.

    Each probe's fit begins at the one before. SeLa, P2OT and DEPICT are this with their labels; n_kept: classes kept of
    every sample and round. Holds the probabilities of one round, 4 n n_classes bytes, and what `fit_soft_probe` does.
    """
    if n_rounds < 1:
        raise ValueError(f"n_rounds must be positive, got {n_rounds}")
    probabilities = start
    n_kept = min(n_kept, start.shape[1])
    kept = [SparseProbabilities.of(start, n_kept)]
    probe = fit_soft_probe(embeddings, *relabel(0, start), config)
    for number in range(1, n_rounds + 1):
        probabilities = predict_rows(probe, embeddings)
        kept.append(SparseProbabilities.of(probabilities, n_kept))
        if number < n_rounds:
            probe = fit_soft_probe(embeddings, *relabel(number, probabilities), config, probe)
    return Rounds(kept, probabilities, probe)
