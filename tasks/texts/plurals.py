"""Counted things as people write them: 1 sample, 2 samples."""

from __future__ import annotations


def counted(number: int, words: str) -> str:
    """Return a number with what it counts, given in the plural; its first plural is what may be one.

    >>> counted(1, "groups of alike pictures"), counted(1, "source columns"), counted(1000, "classes")
    ('1 group of alike pictures', '1 source column', '1,000 classes')
    """
    return f"{number:,} {_singular(words) if number == 1 else words}"


def _singular(words: str) -> str:
    parts = words.split(" ")
    plural = next((at for at, word in enumerate(parts) if word.endswith("s") and not word.endswith("ss")), None)
    if plural is not None:
        word = parts[plural]
        parts[plural] = "class" if word == "classes" else word.removesuffix("s")
    return " ".join(parts)
