"""What a label is as text, the same wherever it comes from: one line, trimmed, or no label at all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

LONGEST = 1000
"""Characters of a label, at most; what is longer is a text."""

# What pandas.read_csv takes for a missing value (its `na_values`), and NaT. In lower case 'none' and 'na' are words.
NO_LABEL = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"}
    | {"NULL", "NaN", "NaT", "None", "n/a", "nan", "null"}
)

_BREAKS = re.compile(r"(?:\s*[\x00-\x1f\x7f-\x9f\u2028\u2029])+\s*")
_WHOLE = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.0+)?")
_AROUND = "\ufeff\u200b"  # strip() knows other blanks, not the mark that begins a file, nor the space of no width


def label_of(text: str) -> str | None:
    """Return a label as it is kept, or None where the text says that there is none.

    Blanks around it go; line breaks and control characters in it become one blank; whole numbers lose a decimal point
    and the sign of zero: '1.0' is '1', and '-0' is '0'. Everything else stays as it is written: '007', '1e3', '1,5',
    'True', dates. Letters are composed (NFC), as folders on a Mac spell them otherwise. NO_LABEL, the spellings of a
    missing value, are no label. Raises ValueError when it is longer than LONGEST characters.
    """
    text = strip(unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode()))
    if len(text) > LONGEST:
        raise ValueError(f"is longer than {LONGEST:,} characters")
    text = strip(_BREAKS.sub(" ", text))
    whole = _WHOLE.fullmatch(text)
    if whole is not None:
        text = whole[2] if whole[2] == "0" else whole[1] + whole[2]
    return None if text in NO_LABEL else text


def class_name(field: str, name: str | int) -> str:
    """Return the name of a class in a setting, as labels are kept. Raises ValueError naming the field."""
    try:
        kept = label_of(str(name))
    except ValueError as error:
        raise ValueError(f"{field}: {str(name)[:40]!r}... {error}") from None
    if kept is None:
        raise ValueError(f"{field}: {str(name)!r} is a spelling of 'no label', and names no class")
    return kept


def named_vocabulary(field: str, names: Sequence[str | int]) -> tuple[str, ...]:
    """Return the classes of a vocabulary as labels are kept. Raises ValueError for one that is none, or there twice."""
    named = tuple(class_name(field, each) for each in names)
    if len(set(named)) < len(named):
        raise ValueError(f"{field}: wants each once, got {list(named)}")
    return named


def strip(text: str) -> str:
    """Return a text without blanks and invisible marks around it."""
    text = text.strip()
    while text and (text[0] in _AROUND or text[-1] in _AROUND):
        text = text.strip(_AROUND).strip()
    return text
