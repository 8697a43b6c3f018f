"""`attribution.csv` of a version: whose each picture is, where its licence asks for that to be said."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from windrow.tasks.storage.published.licence_terms import asks_for_attribution, licence_url
from windrow.tasks.texts.cells import csv_lines

ATTRIBUTION = "attribution.csv"
COLUMNS = ("sample_id", "title", "author", "source", "licence", "licence_url")
READ = ("sample_id", "author", "source_url", "license", "metadata")
"""Columns of EXPORTED_SAMPLES that it is made from."""

TITLE_KEYS = ("title", "headline", "object_name")


def write_attribution(path: Path, parts: Iterable[pa.Table]) -> None:
    """Write the file, from parts with the columns READ, one after the other; what is not known is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(csv_lines([COLUMNS]))
        for part in parts:
            file.writelines(csv_lines(_cells(part)))


def _cells(part: pa.Table) -> Iterator[tuple[str, ...]]:
    for row in part.select(READ).to_pylist():
        licence = row["license"]
        if asks_for_attribution(licence):
            cells = (row["sample_id"], title_of(row), row["author"], row["source_url"], licence, licence_url(licence))
            yield tuple(cell or "" for cell in cells)


def title_of(row: Mapping[str, Any]) -> str | None:
    """Return the title that came with a sample among its metadata."""
    said = json.loads(row["metadata"]) if row["metadata"] else {}
    given = {key.lower(): value for key, value in said.items() if isinstance(value, str) and value.strip()}
    return next((" ".join(given[key].split()) for key in TITLE_KEYS if key in given), None)
