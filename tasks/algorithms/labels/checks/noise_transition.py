"""Noise transition: the posterior that a label is right, by how labels of each class go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.labels.checks.label_quality import quality_of
from windrow.tasks.algorithms.labels.judging.judged_labels import JudgedLabels, Need
from windrow.tasks.algorithms.labels.judging.judgement import Judgement


@dataclass(frozen=True)
class NoiseTransition(Settings):
    """The posterior of the transition table that Windrow's own judgement ends with (`fit_tempered_transition`)."""

    needs: ClassVar[tuple[Need, ...]] = ("neighbors", "predictions", "quality")

    def judge(self, given: JudgedLabels) -> Judgement:
        """Return the posterior as the score, and as the verdict what the largest expected F1 chooses."""
        return quality_of(given).transition.judge()
