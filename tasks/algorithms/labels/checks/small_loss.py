"""Small loss: two Gaussian components on the losses of all samples, the seed of `linear_separation`."""

from __future__ import annotations

from dataclasses import dataclass

from windrow.tasks.algorithms.labels.checks.loss_mixture import judge_by_loss
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement


@dataclass(frozen=True)
class SmallLoss(Check):
    """By the loss alone: it sees wrong classes, and takes hard pictures for those. See `LinearSeparation`."""

    needs = ("predictions",)

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the probability of the clean component as the score; noisy below one half."""
        return judge_by_loss(given.loss, "gaussian")
