"""The records of a CSV file of the user's, read strictly: none is lost, and each has the header's fields.

The header is the first line that is not blank, or the one after Excel's `sep=`. Fields are separated by what that line
says, or else by that of `,` `;` tab and `|` by which the header has the wanted columns. Quoted fields may hold line
breaks; a record is named by its first line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from windrow.schemas.texts.label_text import strip
from windrow.tasks.storage.user_files.text_lines import text_lines
from windrow.tasks.storage.user_files.wanted_columns import Wanted, plain_name

SEPARATORS = (",", ";", "\t", "|")
_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE | re.DOTALL)
_SHOWN = 5

Record = tuple[int, list[str]]
"""The line, from 1, in which a record begins, and its fields."""


@dataclass
class CsvFile:
    """A CSV file: its header and separator; `repeated` are lines that say the header again, once they were read."""

    path: Path
    header: list[str]
    separator: str
    repeated: list[int] = field(default_factory=list)

    def records(self) -> Iterator[Record]:
        """Yield the records below the header, but for blank ones and repeated headers; fields are trimmed.

        Raises ValueError, after all others have come, naming the lines that have more or fewer fields; and at once for
        one that does not parse, or that has the header's names in another order.
        """
        wrong: list[tuple[int, int]] = []
        names = [plain_name(name) for name in self.header]
        for line, fields in islice(_records(self.path, self.separator), 1, None):
            if len(fields) != len(names):
                wrong.append((line, len(fields)))
            elif fields[0].casefold() not in names or sorted(map(plain_name, fields)) != sorted(names):
                yield line, fields
            elif list(map(plain_name, fields)) == names:
                self.repeated.append(line)
            else:
                raise ValueError(f"{self.path}, line {line} has the header again, in another order of columns")
        if wrong:
            raise ValueError(f"{self.path}{_told(wrong, len(self.header))}")


def open_csv(path: Path, wanted: Wanted) -> CsvFile:
    """Find out how a file is written. Raises ValueError for one without a header, or that is no text."""
    said = _said_separator(path)
    choices = ("\t",) if path.suffix.lower() == ".tsv" else SEPARATORS
    found, mistakes = [], []
    for each in (said,) if said else choices:
        try:
            found.append(CsvFile(path, _header(path, each), each))
        except ValueError as error:
            mistakes.append(error)
    if not found:
        raise mistakes[0]
    fitting = [each for each in found if wanted.fits(each.header)]
    return max(fitting or found, key=lambda each: len(each.header))


def _header(path: Path, separator: str) -> list[str]:
    for _, fields in _records(path, separator):
        return fields
    raise ValueError(f"{path} has no header: it is empty")


def _said_separator(path: Path) -> str | None:
    first = _SEP.fullmatch(next(text_lines(path), ""))
    if first is not None and first[1] not in SEPARATORS:
        raise ValueError(f"{path}, line 1: sep= wants one of , ; | and tab, got {first[1]!r}")
    return first and first[1]


def _records(path: Path, separator: str) -> Iterator[Record]:
    """Yield the records that are not blank, the header among them."""
    lines = text_lines(path)
    begin = 1
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=separator != "\t")
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise ValueError(f"{path}, line {begin} does not parse as CSV: {error}") from None
        if fields is None:
            return
        trimmed = [strip(each) for each in fields]
        if any(trimmed) and not (begin == 1 and _SEP.fullmatch(separator.join(fields))):
            yield begin, trimmed
        begin = reader.line_num + 1


def _told(wrong: Sequence[tuple[int, int]], width: int) -> str:
    lines = ", ".join(f"{line} ({n})" for line, n in wrong[:_SHOWN])
    more = f" and {len(wrong) - _SHOWN:,} more" if len(wrong) > _SHOWN else ""
    return (
        f": the header has {width} fields, but not line{'s' if len(wrong) > 1 else ''} {lines}{more}. Were files of"
        " different columns put one after the other, or is a separator not quoted?"
    )
