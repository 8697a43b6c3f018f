"""The linear probe that is told nothing of the noise, its strength of regularisation chosen on the noisy labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Gt, MinLen

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.algorithms.labels.checks.self_confidence import self_confidence
from windrow.tasks.algorithms.labels.folds import check_pool
from windrow.tasks.algorithms.labels.judging.judged_labels import N_KEPT, Check, JudgedLabels, probe_out_of_sample
from windrow.tasks.algorithms.labels.judging.judgement import Judgement, check_given
from windrow.tasks.algorithms.labels.probabilities import SMALLEST_PROBABILITY
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

STRENGTHS = (0.01, 0.003, 0.001, 0.0003)


@dataclass(frozen=True)
class NoiseIgnorantProbe(Check):
    """`strengths`: of regularisation, to choose from by the labels that the probe did not see; a cross-fit each."""

    strengths: Annotated[tuple[Annotated[float, Gt(0)], ...], MinLen(1)] = STRENGTHS
    needs = ("predictions",)

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the label's probability by the best strength, and where the prediction is another class."""
        known = {given.l2: given.predictions} if given.l2 in self.strengths else {}
        settings = (self.strengths, given.n_folds, given.seed, N_KEPT, known)
        _, predictions = ignore_noise(given.embeddings, given.labels, given.n_classes, *settings)
        noisy = np.asarray(predictions.classes[:, 0] != given.labels)
        return Judgement(self_confidence(predictions, given.labels), noisy)


def ignore_noise(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    strengths: Sequence[float] = STRENGTHS,
    n_folds: int = 5,
    seed: int = 0,
    n_kept: int = 20,
    known: Mapping[float, SparseProbabilities] | None = None,
) -> tuple[float, SparseProbabilities]:
    """Return l2 and the predictions, out of sample, of the probe that takes the noisy labels as if they were right.

    Zhu et al. 2024, Label noise: ignorance is bliss. l2 is the strength whose out-of-sample predictions have the
    smallest cross-entropy with the noisy labels, the first of equals; where noise is below half of each class, the best
    classifier is the same for noisy and for clean labels. n_kept: classes kept for each sample. known: what
    probe_out_of_sample gave already, with the same settings, by l2.
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
    return strengths[best], found[best]


def _cross_entropy(predictions: SparseProbabilities, labels: Int64Array) -> float:
    return -float(np.log(np.maximum(predictions.of_class(labels), SMALLEST_PROBABILITY)).mean())
