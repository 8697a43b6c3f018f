"""Numbers in a text file of the user's."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def number_of(text: str, decimal_comma: bool = False) -> float:
    """Return a number: '1.5', '-2', '1e3'; '1,5' too, where a comma may be decimal as it separates no fields.

    Raises ValueError for everything else: thousands separators, 'nan', units, nothing.
    """
    plain = text.replace(",", ".") if decimal_comma and "." not in text else text
    if not _NUMBER.fullmatch(plain):
        raise ValueError(f"{text!r} is no number")
    return float(plain)
