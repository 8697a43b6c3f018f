"""Text in CSV files, which people open with spreadsheets: there, text that begins as a formula is run as one."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
GUARD = "'"


def cell(value: Any) -> Any:
    """Return a value as it may stand in a CSV: a formula with GUARD before it, all else as it is.

    >>> cell("=1+1"), cell("-1.5"), cell(-1), cell("owl")
    ("'=1+1", '-1.5', -1, 'owl')
    """
    if isinstance(value, (list, tuple, dict)):
        value = str(value)
    is_formula = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return GUARD + value if is_formula else value


def csv_lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield the lines of a CSV (RFC 4180, but for line ends of one character), formulas guarded."""
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow([cell(value) for value in row])  # before 3.13 only these line ends quote both of them
        yield line.getvalue().removesuffix("\r\n") + "\n"


def text_of(cell: str) -> str:
    """Return the text that `cell` made this of: the other way round.

    >>> text_of(cell("=1+1")), text_of("'tis")
    ('=1+1', "'tis")
    """
    return cell[1:] if cell.startswith(GUARD) and _FORMULA.match(cell) else cell
