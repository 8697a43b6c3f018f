"""Area under the margin ranking (AUM), with threshold samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array
from windrow.tasks.algorithms.labels.judging.dynamics_probe import ProbeTraining, probe_epochs, probe_features
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement, check_given
from windrow.tasks.algorithms.labels.judging.training_dynamics import TrainingDynamics, record_dynamics


@dataclass(frozen=True)
class Aum(Check):
    """`percentile`: of the margins of labels that are surely wrong; at or below it a label is doubtful."""

    percentile: Annotated[float, Interval(ge=0, le=100)] = 99.0

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the area under the margin as the score, and whether it is that of a label surely wrong."""
        settings = (given.training, self.percentile, given.seed)
        return judge_by_margin(given.embeddings, given.labels, given.n_classes, *settings)


def area_under_margin(dynamics: TrainingDynamics) -> Float32Array:
    """Return the mean margin float32 (n,) over epochs and seeds, a label quality score.

    Pleiss et al. 2020, Identifying mislabeled data using the area under the margin ranking, equation 1. Of a job with a
    schedule, record the epochs before the first drop of the learning rate: later ones memorise.
    """
    margin = dynamics.recorded("margin")
    return np.asarray(margin.mean(axis=(0, 1), dtype=np.float64), dtype=np.float32)


def threshold_verdict(aum: Float32Array, is_threshold: BoolArray, percentile: float = 99.0) -> BoolArray:
    """Return whether each AUM (n,) is at most this percentile of the threshold samples'; theirs is False."""
    if not is_threshold.any():
        raise ValueError("is_threshold must mark one sample or more, got none")
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile must be from 0 to 100, got {percentile}")
    # Of the lower method: the cut is a threshold sample's AUM, the same for every order of the rows.
    cut = np.percentile(aum[is_threshold], percentile, method="lower")
    return np.asarray((aum <= cut) & ~is_threshold)


def judge_by_margin(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    training: ProbeTraining | None = None,
    percentile: float = 99.0,
    seed: int = 0,
) -> Judgement:
    """Return the AUM of our probe, n / (n_classes + 1) samples relabelled to an extra class, which is surely wrong.

    Section 3.2 of the paper: noisy is whose AUM is at most the 99th percentile of the threshold samples'. Those of the
    first pass are judged by a second one, with other threshold samples. The seed draws them by their place in the pool,
    so a permuted pool has other threshold samples.
    """
    check_given(labels, n_classes, len(embeddings))
    n_threshold = len(labels) // (n_classes + 1)
    if not n_threshold:
        raise ValueError(f"labels must be at least n_classes + 1 = {n_classes + 1}, got {len(labels)}")
    training = ProbeTraining() if training is None else training
    features = probe_features(embeddings)
    drawn = np.random.default_rng(seed).permutation(len(labels))
    score, noisy = np.empty(len(labels), np.float32), np.empty(len(labels), np.bool_)
    for number in range(2):
        is_threshold = np.zeros(len(labels), dtype=np.bool_)
        is_threshold[drawn[number * n_threshold : (number + 1) * n_threshold]] = True
        fake = np.where(is_threshold, n_classes, labels)
        runs = [probe_epochs(features, fake, n_classes + 1, seed + run, training) for run in range(training.n_seeds)]
        aum = area_under_margin(record_dynamics(runs, fake))
        judged = ~is_threshold if number == 0 else drawn[:n_threshold]
        score[judged] = aum[judged]
        noisy[judged] = threshold_verdict(aum, is_threshold, percentile)[judged]
    return Judgement(score, noisy)
