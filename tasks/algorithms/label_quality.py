"""The default against label noise: several views of each label, one score, and a cut that needs no threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.confident_learning import find_noisy
from windrow.tasks.algorithms.label_confidence import normalised_margin
from windrow.tasks.algorithms.label_noise import Flags, LabelJudgement, check_given
from windrow.tasks.algorithms.neighbor_agreement import neighbor_shares
from windrow.tasks.algorithms.neighbors import Float64Array, Int64Array, NeighborGraph, neighbor_graph
from windrow.tasks.algorithms.noise_ignorant_probe import probe_out_of_sample
from windrow.tasks.algorithms.noise_transition import NoiseTransition, fit_tempered_transition
from windrow.tasks.algorithms.sparse_probabilities import SparseProbabilities

# The weight of log p beside the other parts, which are within 1: over p from 1e-4 to 1 it says as much as two of them.
LOG_WEIGHT = 0.2
SMALLEST = 1e-4


@dataclass(frozen=True)
class LabelQualityConfig:
    """`l2`: of the probe. `n_folds`, `seed`: of the cross-fit. `k`: neighbours. `n_rounds`: of refitting without doubt.

    `n_kept`: classes kept of each prediction.
    """

    l2: float = 0.001
    n_folds: int = 5
    k: int = 50
    n_rounds: int = 2
    n_kept: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.l2 > 0:
            raise ValueError(f"l2 must be positive, got {self.l2}")
        for name, least in (("n_folds", 2), ("k", 1), ("n_rounds", 0), ("n_kept", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")


@dataclass(frozen=True)
class LabelQuality:
    """judgement: the score and the verdict. noise_rate: the share called wrong.

    predictions: of the last probe, out of sample, learnt without the labels in doubt; its first class corrects a label.
    transition: how labels of each class go wrong.
    """

    judgement: LabelJudgement
    noise_rate: float
    predictions: SparseProbabilities
    transition: NoiseTransition


def label_quality(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    config: LabelQualityConfig | None = None,
    graph: NeighborGraph | None = None,
    predictions: SparseProbabilities | None = None,
) -> LabelQuality:
    """Judge every label of the pool (n,), all given; graph and out-of-sample predictions are made where not given.

    A cross-fitted probe is refitted without the labels that a class-wise noise model (fit_tempered_transition) doubts.
    The score is the sum of that model's posterior, which sees noise by class; of the probe's and the neighbours'
    margins, which see noise by picture; and of 0.2 log p. As many are called wrong as confident learning prunes by
    noise rate on the first predictions, those of the lowest score. Weights and cut were chosen on CIFAR-10 features
    (tests/benchmarks/bench_noise.py); what they gain over any one part is in its table. Refitting shows a probe the
    doubts about other samples that a probe had which saw this sample's label: out of sample but for that.
    """
    check_given(labels, n_classes, len(embeddings))
    config = LabelQualityConfig() if config is None else config
    probe = (embeddings, labels, n_classes, config.l2, config.n_folds, config.seed, config.n_kept)
    first = probe_out_of_sample(*probe) if predictions is None else predictions
    graph = neighbor_graph(embeddings, min(config.k, len(embeddings) - 1)) if graph is None else graph
    last, transition = first, fit_tempered_transition(first, labels)
    for _ in range(config.n_rounds):
        doubted = doubted_labels(transition.posterior.astype(np.float64), labels, config.n_folds)
        last = probe_out_of_sample(*probe, left_out=doubted)
        transition = fit_tempered_transition(last, labels)
    own, other = neighbor_shares(graph, labels, n_classes)
    score = transition.posterior + normalised_margin(last, labels) + (own - other)
    score += LOG_WEIGHT * np.log(np.maximum(last.of_class(labels), SMALLEST))
    noisy = _lowest(score, int(find_noisy(first, labels).sum()))
    return LabelQuality(LabelJudgement(score.astype(np.float32), noisy), float(noisy.mean()), last, transition)


def doubted_labels(posterior: Float64Array, labels: Int64Array, n_least: int) -> Flags:
    """Where the label is more probably wrong than right, but of each class the n_least most probable are kept."""
    order = np.lexsort((-posterior, labels))
    ordered = labels[order]
    place = np.empty(len(labels), dtype=np.int64)
    place[order] = np.arange(len(labels)) - np.searchsorted(ordered, ordered, side="left")
    return np.asarray((posterior < 0.5) & (place >= n_least))


def _lowest(score: Float64Array, n: int) -> Flags:
    """The n lowest scores; equal ones in order of position."""
    chosen = np.zeros(len(score), dtype=np.bool_)
    chosen[np.argsort(score, kind="stable")[:n]] = True
    return chosen
