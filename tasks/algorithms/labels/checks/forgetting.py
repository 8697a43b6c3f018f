"""Forgetting events: how often a sample that was learnt is got wrong again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Float32Array
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.labels.judging.training_dynamics import TrainingDynamics


@dataclass(frozen=True)
class Forgetting(Check):
    """How often the watched head forgets the label. No verdict: the paper has none."""

    needs = ("features", "dynamics")

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the score, from minus the number of epochs to 0."""
        return Judgement(forgetting_score(given.dynamics))


def forgetting_score(dynamics: TrainingDynamics) -> Float32Array:
    """Return minus the forgetting events of each sample, the mean over seeds: a label quality score float32 (n,).

    Toneva et al. 2019, An empirical study of example forgetting during deep neural network learning, section 3: an
    event is an epoch after which the label, predicted right by the one before, is not any more. A sample that was never
    learnt counts as many events as there are epochs, where the paper has infinity.
    """
    right = dynamics.recorded("margin") > 0
    events = (right[:, :-1] & ~right[:, 1:]).sum(axis=1)
    events = np.where(right.any(axis=1), events, right.shape[1])
    return np.asarray(-events.mean(axis=0), dtype=np.float32)
