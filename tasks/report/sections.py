"""The sections of the report, in their order: a question, and the function of a run that answers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.answers.balance_by_class import balance_by_class
from windrow.tasks.report.answers.changed import changed
from windrow.tasks.report.answers.corrected import corrected
from windrow.tasks.report.answers.dropped import dropped
from windrow.tasks.report.answers.gained import gained
from windrow.tasks.report.answers.glanced import glanced
from windrow.tasks.report.answers.grouped import grouped
from windrow.tasks.report.answers.mapped import mapped
from windrow.tasks.report.answers.over_versions import over_versions
from windrow.tasks.report.answers.took import took
from windrow.tasks.report.answers.weak_labels import weak_labels


@dataclass(frozen=True)
class Section:
    """A question of the report, how the list of sections has it, and what answers it."""

    question: str
    title: str
    answer: Callable[[Reported], Answer]

    @property
    def name(self) -> str:
        """Of its template, and of its place on the page."""
        return self.answer.__name__


ANSWERS = (
    Section("What was gained?", "Gained", gained),
    Section("What was thrown away, and was it right?", "Thrown away", dropped),
    Section("Where are the labels weak?", "Labels", weak_labels),
    Section("What changed since the last version?", "Changed", changed),
    Section("What did people correct?", "Corrected", corrected),
)
DETAILS = (
    Section("How did the versions go?", "Versions", over_versions),
    Section("How even is it, class by class?", "Balance", balance_by_class),
    Section("Where does the set lie in the pool?", "Map", mapped),
    Section("How is the pool grouped?", "Clusters", grouped),
    Section("What do the samples look like?", "Samples", glanced),
    Section("What did it take?", "Timings and config", took),
)
