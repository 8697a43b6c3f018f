"""Names that settings give: what may be one, so that nothing is refused later where it becomes a file or a word."""

from __future__ import annotations

import re

LONGEST_NAME = 100
# What Windows keeps for devices, whatever follows a dot; a store is copied there, too.
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10))})


def check_name(field: str, name: str) -> None:
    """Raise ValueError naming the field unless a name is one line of at most LONGEST_NAME characters that show."""
    if not name.strip() or not name.isprintable():
        raise ValueError(f"{field}: wants a name in one line, got {name!r}")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"{field}: wants at most {LONGEST_NAME} characters, got {len(name)}: {name[:20]!r}...")


def check_file_name(field: str, name: str, characters: str, words: str) -> None:
    """Raise ValueError naming the field unless a name can begin a file's on any system.

    `characters`: a regular expression of those that it may have, `words` what they are called.
    """
    if not re.fullmatch(f"{characters}+", name, re.ASCII):
        raise ValueError(f"{field}: wants {words}, got {name[:LONGEST_NAME]!r}")
    check_name(field, name)
    if name.casefold() in _DEVICES:
        raise ValueError(f"{field}: wants another name, as Windows keeps {name!r} for a device")


def check_text(field: str, text: str) -> None:
    """Raise ValueError naming the field where a text holds a zero or half a character, which nothing can store."""
    if "\0" in text or (not text.isascii() and text != text.encode("utf-8", "replace").decode()):
        raise ValueError(f"{field}: wants text without zeros and halves of characters, got {text!r}")
