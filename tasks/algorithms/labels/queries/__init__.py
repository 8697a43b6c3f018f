"""Which samples to label first: one file a query, whose frozen class is its settings and its work.

A new query is a class as `LabelQuery` describes it, in a file of its own, and a line here: `windrow annotate --by` then
takes its name.
"""

from __future__ import annotations

from windrow.tasks.algorithms.labels.queries.hard_to_contrast import HardToContrast
from windrow.tasks.algorithms.labels.queries.label_query import LabelQuery
from windrow.tasks.algorithms.labels.queries.typiclust import TypiClust
from windrow.tasks.algorithms.labels.queries.uncertain import Uncertain

QUERIES: dict[str, type[LabelQuery]] = {
    "typical": TypiClust,
    "uncertain": Uncertain,
    "hard-to-contrast": HardToContrast,
}
LABELS_A_CLASS = 10
"""From so many labels a class on, what a model is unsure of teaches more than what is typical: measured in
docs/evidence/annotate.md; that the two change places is the finding of Hacohen et al. 2022 (arXiv 2202.02794)."""


def query_for(n_labels: int, n_classes: int) -> str:
    """The query that fits as many labels as there are: typical samples first, uncertain ones once labels are many."""
    return "uncertain" if n_classes > 1 and n_labels >= LABELS_A_CLASS * n_classes else "typical"
