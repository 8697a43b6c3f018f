"""Paths handed to DuckDB, which takes `*`, `?` and `[` in one for a pattern, and `key=value` for a column.

Here a path is that file and no other: whatever reads a file by SQL asks for its words here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_MAGIC = re.compile(r"[*?[]")


def literal_path(path: str | Path) -> str:
    """Return a path that DuckDB reads as this one file: absolute, and each character of a pattern in brackets.

    Raises ValueError for a path with such a character and a backslash, which DuckDB cannot be given both.
    """
    name = os.path.abspath(path)  # noqa: PTH100  (a name that begins with ~ or http: is a name, and links stay)
    if not _MAGIC.search(name):
        return name
    if "\\" in name:
        raise ValueError(f"{name}: a backslash in a path with *, ? or [ cannot be read; rename the file or its folder")
    return _MAGIC.sub(r"[\g<0>]", name)


def parquet_scan(files: Iterable[str | Path], options: str = "") -> str:
    """Return the SQL that reads Parquet files, these and no others; `options` such as ', filename = true'."""
    return f"read_parquet([{_listed(map(literal_path, files))}], hive_partitioning = false{options})"


def _listed(texts: Iterable[str]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)
