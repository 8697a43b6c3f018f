"""The linear probe that is told nothing of the noise, its strength of regularisation chosen on the noisy labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.algorithms.labels.checks.label_confidence import self_confidence
from windrow.tasks.algorithms.labels.checks.label_noise import LabelJudgement, check_given
from windrow.tasks.algorithms.labels.cores.logistic_probe import logistic_probe
from windrow.tasks.algorithms.labels.folds import check_pool, cross_fit
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

STRENGTHS = (0.01, 0.003, 0.001, 0.0003)


@dataclass(frozen=True)
class NoiseIgnorantPrediction:
    """Out-of-sample predictions, the corrected label int64 (n,), their first class, and the l2 that was chosen."""

    predictions: SparseProbabilities
    corrected: Int64Array
    l2: float

    def judge(self, labels: Int64Array) -> LabelJudgement:
        """The label's probability as score; noisy where the corrected label is another."""
        return LabelJudgement(self_confidence(self.predictions, labels), np.asarray(self.corrected != labels))


def ignore_noise(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    strengths: Sequence[float] = STRENGTHS,
    n_folds: int = 5,
    seed: int = 0,
    n_kept: int = 20,
    known: Mapping[float, SparseProbabilities] | None = None,
) -> NoiseIgnorantPrediction:
    """Zhu et al. 2024, Label noise: ignorance is bliss: minimise the risk of the noisy labels as if they were right.

    l2 is the strength whose out-of-sample predictions have the smallest cross-entropy with the noisy labels, the first
    of equals; where noise is below half of each class, the best classifier is the same for noisy and for clean labels.
    n_kept: classes kept for each sample. known: what probe_out_of_sample gave already, with the same settings, by l2.
    Each strength's cross-fit makes dense predictions, 4 n n_classes bytes.
    """
    check_pool(embeddings, labels)
    check_given(labels, n_classes, len(labels))
    if not strengths or not min(strengths) > 0:
        raise ValueError(f"strengths must be one or more positive numbers, got {list(strengths)}")
    made = dict(known or {})
    for l2 in strengths:
        if l2 not in made:
            made[l2] = probe_out_of_sample(embeddings, labels, n_classes, l2, n_folds, seed, n_kept)
    found = [made[l2] for l2 in strengths]
    best = int(np.argmin([_cross_entropy(predictions, labels) for predictions in found]))
    return NoiseIgnorantPrediction(found[best], found[best].classes[:, 0].copy(), strengths[best])


def probe_out_of_sample(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    l2: float,
    n_folds: int = 5,
    seed: int = 0,
    n_kept: int = 20,
    left_out: npt.NDArray[np.bool_] | None = None,
) -> SparseProbabilities:
    """Cross-fitted predictions (n, n_kept) of a logistic probe; those of left_out (n,) are predicted, never learnt."""
    ignored = np.zeros(len(labels), dtype=np.bool_) if left_out is None else left_out

    def maker(training: Int64Array, rows: Int64Array) -> npt.NDArray[np.float32]:
        return logistic_probe(embeddings, np.where(ignored, -1, training), n_classes, l2=l2, rows=rows)

    return SparseProbabilities.of(cross_fit(maker, labels, n_classes, n_folds, seed), min(n_kept, n_classes))


def _cross_entropy(predictions: SparseProbabilities, labels: Int64Array) -> float:
    return -float(np.log(np.maximum(predictions.of_class(labels), SMALLEST_PROBABILITY)).mean())
