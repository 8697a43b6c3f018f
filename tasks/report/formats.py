"""Numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

NOTHING = "–"
FILTERS = ("count", "percent", "decimal", "duration", "plural", "shortened", "signed", "size")


def count(number: int) -> str:
    """1234567 as '1,234,567'."""
    return f"{number:,}"


def percent(share: float, digits: int = 1) -> str:
    """A share as '12.3%'. What is not quite nothing, or not quite all, does not read as if it were."""
    if math.isnan(share):
        return NOTHING
    if share == 0 or abs(share - 1) < 1e-9:
        return f"{share:.0%}"
    least = 10.0**-digits
    if 0 < share * 100 < least / 2:
        return f"<{least:g}%"
    if 100 - least / 2 < share * 100 < 100:
        return f">{100 - least:.{digits}f}%"
    return f"{share * 100:.{digits}f}%"


def decimal(number: float | None, digits: int = 2) -> str:
    """A number with so many decimals; a dash when there is none."""
    return NOTHING if number is None or math.isnan(number) else f"{number:,.{digits}f}"


def decimals(digits: int) -> Callable[[float], str]:
    """Return a way of writing numbers with so many decimals."""
    return partial(decimal, digits=digits)


def signed(number: float) -> str:
    """A number with its sign, and one decimal."""
    return f"{number:+.1f}"


def duration(seconds: float) -> str:
    """Seconds as '0.4 s', '12 s', '3 min 20 s' or '2 h 05 min'."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(n_bytes: float) -> str:
    """Bytes as '512 B', '1.4 MB' (decimal units)."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" or n_bytes >= 100 else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.1f} TB"


def of_pairs(n_compared: int, n_pairs: int) -> str:
    """'26,049 of 199,990,000 pairs compared (0.01%)'."""
    return f"{n_compared:,} of {n_pairs:,} pairs compared ({percent(n_compared / max(n_pairs, 1), 2)})"


def plural(number: int, word: str) -> str:
    """'1 sample', '2,000 samples'."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def shortened(text: str, length: int) -> str:
    """Text of at most `length` characters, the last an ellipsis where it was cut."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def compact(number: float) -> str:
    """Ticks of an axis: 1, 10, 100, 1k, 10k, 1M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"
