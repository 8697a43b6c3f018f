"""Noise transition: the posterior that a label is right, by how labels of each class go wrong."""

from __future__ import annotations

from dataclasses import dataclass

from windrow.tasks.algorithms.labels.checks.label_quality import quality_of
from windrow.tasks.algorithms.labels.judging.judged_labels import Check, JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement


@dataclass(frozen=True)
class NoiseTransition(Check):
    """The posterior of the transition table that Windrow's own judgement ends with (`fit_tempered_transition`)."""

    needs = ("neighbors", "predictions", "quality")

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the posterior as the score, and as the verdict what the largest expected F1 chooses."""
        return quality_of(given).transition.judge()
