"""Self-training in rounds: labels from predictions, a probe from labels, predictions from the probe, and again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.label_makers import check_pool, labelled_rows
from windrow.tasks.algorithms.labels.makers.logistic_probe import LogisticProbe
from windrow.tasks.algorithms.labels.makers.soft_probe import SoftProbeConfig, fit_soft_probe, predict_pool
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

# The number of the round, from 0, and its start's probabilities (n, n_classes) -> soft labels and weights (n,) to fit.
Relabel = Callable[[int, Float32Array], tuple[Float32Array, Float64Array]]

# The terms of Arazo et al. 2020, section 3.1. With an l2 of 0.01, a single probe's, three rounds were worse than one on
# a balanced pool; with 0.001 better.
ARAZO = SoftProbeConfig(l2=0.001, balance=0.8, entropy=0.4)


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
        probabilities = predict_pool(probe, embeddings)
        kept.append(SparseProbabilities.of(probabilities, n_kept))
        if number < n_rounds:
            probe = fit_soft_probe(embeddings, *relabel(number, probabilities), config, probe)
    return Rounds(kept, probabilities, probe)


def iterative_labels(
    embeddings: npt.NDArray[Any],
    start: Float32Array,
    labels: Int64Array,
    n_rounds: int = 3,
    labelled_share: float = 0.16,
    config: SoftProbeConfig = ARAZO,
    n_kept: int = 10,
) -> Rounds:
    """Rounds of soft pseudo-labels: each probe learns the last one's probabilities, and the labels that are known.

    Arazo et al. 2020, Pseudo-labeling and confirmation bias in deep semi-supervised learning, on stored embeddings and
    without its mixup. start: (n, n_classes), another maker's probabilities; labels: int64 (n,), -1 for unlabelled.
    labelled_share: of the fit's weight, for the labelled samples, each class the same; the paper's 16 of a batch of
    100. The order of the samples does not matter and there is no seed.
    """
    if start.ndim != 2:
        raise ValueError(f"start must have shape (n, n_classes), got {start.shape}")
    check_pool(start, labels)
    known = labelled_rows(labels, start.shape[1])
    weights = label_weights(labels, labelled_share)
    one_hot = np.zeros((len(known), start.shape[1]), dtype=np.float32)
    one_hot[np.arange(len(known)), labels[known]] = 1.0

    def relabel(_: int, probabilities: Float32Array) -> tuple[Float32Array, Float64Array]:
        targets = probabilities.copy()
        targets[known] = one_hot
        return targets, weights

    return self_train(embeddings, start, relabel, n_rounds, config, n_kept)


def label_weights(labels: Int64Array, labelled_share: float) -> Float64Array:
    """Weights (n,) of sum 1: labelled_share for the labelled samples, equal for each class, the rest for the others.

    With all samples labelled, or none, they have all the weight.
    """
    if not 0 < labelled_share < 1:
        raise ValueError(f"labelled_share must be between 0 and 1, got {labelled_share}")
    known = labels >= 0
    counts = np.bincount(labels[known], minlength=1)
    weights = np.zeros(len(labels))
    weights[known] = labelled_share / (int(np.count_nonzero(counts)) * counts[labels[known]])
    weights[~known] = (1 - labelled_share) / max(int(np.count_nonzero(~known)), 1)
    return np.asarray(weights / weights.sum())
