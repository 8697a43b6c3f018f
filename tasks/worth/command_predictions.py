"""The file of predictions that a command of the user's writes, read strictly."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from pathlib import Path

COLUMNS = ("sample_id", "label")


def read_predictions(path: Path, sample_ids: Sequence[str], classes: Collection[str]) -> list[str]:
    """Return the predicted class of each of these samples, from a CSV with the columns `sample_id` and `label`.

    Raises ValueError where the file is missing, is no such CSV, has another column, names a sample twice or one that
    was not asked, leaves one out, or predicts what is no class.
    """
    found: dict[str, str] = {}
    asked, known = set(sample_ids), set(classes)
    for line, row in _rows(path):
        sample_id, label = row["sample_id"], row["label"]
        if sample_id not in asked:
            raise _wrong(f"line {line}: {sample_id!r} is no held-out sample")
        if sample_id in found:
            raise _wrong(f"line {line}: {sample_id!r} stands there twice")
        if label not in known:
            raise _wrong(f"line {line}: {label!r} is no class; there are {_some(sorted(known))}")
        found[sample_id] = label
    missing = [sample_id for sample_id in sample_ids if sample_id not in found]
    if missing:
        raise _wrong(f"{len(missing):,} of {len(asked):,} held-out samples are not there, {missing[0]!r} the first")
    return [found[sample_id] for sample_id in sample_ids]


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    if not path.is_file():
        raise ValueError("worth.command: ended well, but wrote no file {predictions}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if sorted(header) != sorted(COLUMNS):
                raise _wrong(f"wants the columns {' and '.join(COLUMNS)}, it has {header}")
            rows = [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _wrong(f"is no CSV in UTF-8: {error}") from None
    for line, row in rows:
        if len(row) != len(COLUMNS):
            raise _wrong(f"line {line}: wants {len(COLUMNS)} cells, has {len(row)}")
    return [(line, dict(zip(header, row, strict=True))) for line, row in rows]


def _wrong(what: str) -> ValueError:
    return ValueError(f"worth.command: its predictions: {what}")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:8]))
    return f"{shown} and {len(names) - 8:,} more" if len(names) > 8 else shown
