"""Counted things as people write them: 1 sample, 2 samples."""

from __future__ import annotations


def counted(number: int, words: str) -> str:
    """Return a number with what it counts, given in the plural; the first word is what may be one.

    >>> counted(1, "groups of alike pictures"), counted(1000, "classes")
    ('1 group of alike pictures', '1,000 classes')
    """
    return f"{number:,} {_singular(words) if number == 1 else words}"


def _singular(words: str) -> str:
    first, *others = words.split(" ", 1)
    if first == "classes":
        first = "class"
    elif first.endswith("s") and not first.endswith("ss"):
        first = first.removesuffix("s")
    return " ".join([first, *others])
