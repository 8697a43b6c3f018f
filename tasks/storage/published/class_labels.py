"""What the numbers of classes stand for, as formats need it that keep a list of names beside the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from windrow.tasks.storage.published.webdataset_shards import are_numbers, class_indices

MOST_GAPS = 10_000
"""Numbers without a class up to which such a list is made: a class named 9999999 must not make one of its length."""


def number_names(classes: Sequence[str], class_names: Mapping[int, str]) -> list[str] | None:
    """Return the name of each number from 0 to the last class's; None where there is no class, or the list too long.

    Where all classes are numbers, `class_names` says what they are called; a number without a name is named by itself.

    >>> number_names(["rye", "barley"], {}), number_names(["0", "2"], {2: "rye"})
    (['barley', 'rye'], ['0', '1', 'rye'])
    """
    indices = class_indices(classes)
    n = max(indices.values(), default=-1) + 1
    if not indices or n > len(indices) + MOST_GAPS:
        return None
    names = [str(number) for number in range(n)]
    for name, number in indices.items():
        names[number] = class_names.get(number, name) if are_numbers(classes) else name
    return names


def check_numbers(classes: Sequence[str], class_names: Mapping[int, str]) -> None:
    """Raise ValueError naming the setting where names are given for numbers, and the classes have other names."""
    if class_names and classes and not are_numbers(classes):
        strange = next(name for name in classes if not are_numbers([name]))
        raise ValueError(f"export.class_names: wants classes that are numbers, but one is {strange!r}")
