"""What the label of a sample says of classes, where it may name several: which are present, absent, unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from windrow.schemas.states import ABSENT, PRESENT, UNKNOWN
from windrow.schemas.texts.label_text import label_of
from windrow.tasks.storage.sources.source_fields import as_text

MEANINGS = {True: PRESENT, False: ABSENT, None: UNKNOWN}
"""Of the values in a map of classes; 1 and 0 are true and false."""


def said_states(label: Any, separator: str | None, unlabelled: frozenset[str]) -> dict[str, str] | None:
    """Return the state of each class that a label names; None where it is no list and no map of classes.

    A text names one class, or with a separator several; a list names classes that are present; a map has, by class,
    true (present), false (absent) or null (unknown). unlabelled: spellings of 'no label', in lower case.

    >>> said_states({"cat": True, "dog": False}, None, frozenset())
    {'cat': 'present', 'dog': 'absent'}
    """
    if isinstance(label, str):
        parts = label.split(separator) if separator else [label]
        return dict.fromkeys(_classes(parts, unlabelled), PRESENT)
    if isinstance(label, list):
        texts = [as_text(each) for each in label if isinstance(each, str | int | float)]
        if len(texts) < len(label):
            return None
        return dict.fromkeys(_classes(texts, unlabelled), PRESENT)
    return _of_map(label, unlabelled) if isinstance(label, Mapping) else None


def _of_map(label: Mapping[str, Any], unlabelled: frozenset[str]) -> dict[str, str] | None:
    if not all(value is None or (isinstance(value, int | float) and value in (0, 1)) for value in label.values()):
        return None
    states: dict[str, str] = {}
    for text, value in label.items():
        for name in _classes([text], unlabelled):
            states[name] = MEANINGS[None if value is None else bool(value)]
    return states


def _classes(texts: Iterable[str | None], unlabelled: frozenset[str]) -> Iterator[str]:
    """The classes as labels are kept, without those that are spellings of none. Raises ValueError for a long one."""
    for text in texts:
        name = None if text is None else label_of(text)
        if name is not None and name.lower() not in unlabelled:
            yield name
