"""A file of sample ids, as commands take it behind `@`: one a line, or a table with a column `sample_id`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from windrow.schemas.texts.label_text import strip
from windrow.tasks.storage.user_files.text_lines import text_lines
from windrow.tasks.storage.user_files.user_file import is_table, read_user_file
from windrow.tasks.storage.user_files.wanted_columns import Wanted, plain_name

SAMPLE_ID = re.compile(r"[0-9a-f]{32}")


def listed_samples(path: Path) -> list[str]:
    """Return the ids in a file; empty lines are none. Raises ValueError naming the file, and the line that is no id.

    A .csv, .tsv or .parquet file has a column `sample_id`, but for a .csv of nothing but ids, which is read by lines.
    """
    try:
        found = list(_table_ids(path) if is_table(path) and not _is_bare(path) else _line_ids(path))
    except OSError as error:
        raise ValueError(f"the list of samples @{path} cannot be read: {error.strerror}") from error
    for place, name in found:
        if not SAMPLE_ID.fullmatch(name.lower()):
            raise ValueError(f"{place}: wants a sample_id of 32 hex digits, got {name!r}")
    return [name.lower() for _, name in found]


def _is_bare(path: Path) -> bool:
    """Whether a file begins with an id, and so has no header."""
    return path.suffix.lower() != ".parquet" and bool(SAMPLE_ID.fullmatch(plain_name(next(text_lines(path), ""))))


def _table_ids(path: Path) -> Iterator[tuple[str, str]]:
    file = read_user_file(path, Wanted(("sample_id",)))
    for row, text in enumerate(file.texts("sample_id")):
        yield file.place(row), text


def _line_ids(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text_lines(path), start=1):
        if name := strip(line):
            yield f"{path}, line {number}", name
