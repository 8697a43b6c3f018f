"""The labels of a run in numbers: by class, and how sure they are. Aggregates that DuckDB computes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from windrow.tasks.report.formats import percent

BINS = 100

# Abstained samples count under what they would have been.
CLASSES_SQL = """
SELECT classes[1], count(given_label), count(*) FILTER (given_label IS NULL AND NOT abstained),
       count(*) FILTER (given_label IS NULL AND abstained),
       avg(confidence) FILTER (given_label IS NULL AND NOT abstained)
FROM pool WHERE classes IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1
"""
CONFIDENCE_SQL = """
SELECT count(*), sum(confidence)
FROM pool WHERE confidence IS NOT NULL AND given_label IS NULL
GROUP BY floor(confidence * $1) ORDER BY floor(confidence * $1) DESC
"""
REFUSED_SQL = "SELECT count(*) FROM belonging WHERE belonging <= $1::FLOAT"
CHECKED_SQL = """
SELECT count(*), count(*) FILTER (q.is_doubtful), avg((q.suggested_label = g.label)::INTEGER)
FROM label_quality q JOIN (SELECT * FROM labels WHERE label_set = 'given') g USING (sample_id)
"""
METHOD_SQL = "SELECT DISTINCT method FROM labels WHERE label_set = 'pseudo' ORDER BY 1"


@dataclass(frozen=True)
class ClassLabels:
    """A class: samples with this label given; of the others how many got it, and how many abstained from it.

    confidence: mean of those that got it, None where there are none.
    """

    name: str
    n_given: int
    n_labelled: int
    n_abstained: int
    confidence: float | None


@dataclass(frozen=True)
class CheckedLabels:
    """How many given labels were checked and are in doubt, and how many a model gives that did not see them."""

    n_checked: int
    n_doubtful: int
    accuracy: float

    @property
    def sentence(self) -> str:
        """The doubts, and beside them the held-out accuracy: the lower it is, the more doubts are the model's own."""
        return (
            f"Given labels: {self.n_doubtful:,} of {self.n_checked:,} in doubt, by a model whose held-out accuracy on"
            f" them is {percent(self.accuracy)}"
        )


@dataclass(frozen=True)
class LabelFacts:
    """The label set 'pseudo': its classes, most samples first, and how it was made.

    n_refused: samples that abstain because they seem to be of no class.
    curve: (coverage, mean confidence) of the samples without a given label, the surest first, in steps of confidence.
    """

    classes: tuple[ClassLabels, ...]
    methods: tuple[str, ...]
    n_refused: int
    curve: tuple[tuple[float, float], ...]

    @property
    def n_given(self) -> int:
        """Samples whose label was given."""
        return sum(each.n_given for each in self.classes)

    @property
    def n_labelled(self) -> int:
        """Samples that came without a label and got one."""
        return sum(each.n_labelled for each in self.classes)

    @property
    def n_unlabelled(self) -> int:
        """Samples that came without a label."""
        return self.n_labelled + sum(each.n_abstained for each in self.classes)

    @property
    def coverage(self) -> float:
        """The share of the samples without a label that got one (nan where there are none)."""
        return self.n_labelled / self.n_unlabelled if self.n_unlabelled else float("nan")

    @property
    def confidence(self) -> float:
        """The mean confidence of what got a label: the share that should be right (nan where there is nothing)."""
        total = sum(each.n_labelled * each.confidence for each in self.classes if each.confidence is not None)
        return total / self.n_labelled if self.n_labelled else float("nan")


def read_label_facts(connection: Any, least_belonging: float = 0.0) -> LabelFacts | None:
    """Return what the run's label set 'pseudo' says of classes; None without one: no class is known."""
    methods = tuple(method for (method,) in connection.execute(METHOD_SQL).fetchall())
    if not methods:
        return None
    classes = tuple(ClassLabels(*row) for row in connection.execute(CLASSES_SQL).fetchall())
    bins = connection.execute(CONFIDENCE_SQL, [BINS]).fetchall()
    refused = connection.execute(REFUSED_SQL, [least_belonging]).fetchone()[0] if least_belonging else 0
    return LabelFacts(classes, methods, refused, _curve(bins))


def read_checked_labels(connection: Any) -> CheckedLabels | None:
    """Return what `label_quality` says of the given labels in all; None where none was checked."""
    n_checked, n_doubtful, accuracy = connection.execute(CHECKED_SQL).fetchone()
    return CheckedLabels(n_checked, n_doubtful, accuracy) if n_checked else None


def _curve(bins: list[tuple[int, float]]) -> tuple[tuple[float, float], ...]:
    numbers, sums = (list(accumulate(column)) for column in zip(*bins, strict=True)) if bins else ([], [])
    return tuple((n / numbers[-1], total / n) for n, total in zip(numbers, sums, strict=True))
