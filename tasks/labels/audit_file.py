"""The file that a person fills in: which samples to check, and a verdict on each."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.labels.audit_sample import AuditedSet, draw, stratum_name
from windrow.tasks.storage.store.outputs import write_atomically
from windrow.tasks.texts.cells import csv_lines, text_of

COLUMNS = ("sample_id", "label", "confidence", "correct", "source_uri", "shard", "key", "stratum")
# What drew the sample: with these it can be drawn again, so that no row comes or goes unnoticed.
DRAWN_BY = ("label_set", "run_id", "n", "seed")
YES = frozenset({"y", "yes", "true", "t", "1"})
NO = frozenset({"n", "no", "false", "f", "0"})

PLACES_SQL = """
SELECT sample_id, source_uri, shard, key FROM standing WHERE sample_id IN (SELECT unnest($1))
"""


@dataclass(frozen=True)
class FilledIn:
    """An audit's file as it came back: rows of text, the first of which is row 2, and what drew it."""

    path: Path
    rows: Sequence[Mapping[str, str]]
    label_set: str
    run_id: str
    n: int
    seed: int


def write_audit(path: Path, connection: Any, labels: AuditedSet, run_id: str, n: int, seed: int) -> tuple[int, str]:
    """Draw n samples and write them to a new .csv or .parquet file; return how many there are, and by which strata.

    Raises ValueError when the file exists (it may hold verdicts), its folder does not, or its suffix is another.
    """
    check_new_file(path, "verdicts")
    rows, by = draw(labels, n, seed)
    places = places_of(connection, labels.sample_id[rows].tolist())
    lines = [
        (
            labels.sample_id[row],
            labels.classes[labels.label[row]],
            f"{labels.confidence[row]:.4f}",
            "",
            *places[labels.sample_id[row]],
            stratum_name(labels, row, by),
            labels.name,
            run_id,
            str(len(rows)),
            str(seed),
        )
        for row in rows
    ]
    write_lines(path, (*COLUMNS, *DRAWN_BY), lines)
    return len(rows), by


def check_new_file(path: Path, held: str) -> None:
    """Raise ValueError unless a .csv or .parquet file can be made there; one that is there may hold what is `held`."""
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"wants a .csv or .parquet file, got {str(path)!r}")
    if path.exists():
        raise ValueError(f"{path} exists, and may hold {held}: name another file, or remove it")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} for {path.name}")


def places_of(connection: Any, sample_ids: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """Return source_uri, shard and key of each sample, of the occurrence that stands for it."""
    return {each[0]: each[1:] for each in connection.execute(PLACES_SQL, [list(sample_ids)]).fetchall()}


def write_lines(path: Path, names: Sequence[str], lines: Sequence[Sequence[str | None]]) -> None:
    """Write rows of text as .csv or .parquet; None is an empty field, and null."""
    if path.suffix == ".csv":
        write_atomically(path, "".join(csv_lines([names, *lines])))
        return
    table = pa.table(
        {name: pa.array(values, pa.string()) for name, values in zip(names, zip(*lines, strict=True), strict=True)}
    )
    partial = path.with_name(f".tmp-{path.name}")
    try:
        pq.write_table(table, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_audit(path: Path) -> FilledIn:
    """Read a file that `write_audit` wrote and somebody filled in. Raises ValueError when it is no such file."""
    if not path.is_file() or path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"wants a .csv or .parquet file of `windrow audit sample`, got {str(path)!r}")
    rows = _csv_rows(path) if path.suffix == ".csv" else _parquet_rows(path)
    if not rows:
        raise ValueError(f"{path} has no rows")
    missing = [name for name in ("sample_id", "label", "correct", *DRAWN_BY) if name not in rows[0]]
    if missing:
        raise ValueError(f"{path} has no column {missing[0]!r}: is it a file of `windrow audit sample`?")
    for number, row in enumerate(rows, start=2):
        for name in DRAWN_BY:
            if row[name] != rows[0][name]:
                raise ValueError(f"{path}, row {number}: {name} {row[name]!r} is not that of row 2, {rows[0][name]!r}")
    label_set, run_id, n, seed = (rows[0][name] for name in DRAWN_BY)
    if not n.isdecimal() or not seed.isdecimal():
        raise ValueError(f"{path}, row 2: n and seed must be whole numbers, got {n!r} and {seed!r}")
    return FilledIn(path, rows, label_set, run_id, int(n), int(seed))


def _csv_rows(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark in front
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","  # what spreadsheets write where , is decimal
    try:
        found = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV: {error}") from None
    return [
        {str(name): text_of((value or "").strip()) for name, value in row.items() if name is not None} for row in found
    ]


def _parquet_rows(path: Path) -> list[dict[str, str]]:
    try:
        rows = pq.read_table(path).to_pylist()
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is no Parquet file: {error}") from None
    return [{name: "" if value is None else str(value).strip() for name, value in row.items()} for row in rows]


def verdicts(filled: FilledIn, labels: AuditedSet) -> tuple[Int64Array, np.ndarray[Any, np.dtype[np.bool_]], str]:
    """The rows (m,) of the label set that have a verdict, whether (m,) they are right, and the strata of the draw.

    A verdict is y or n (yes, no, true, false, 1, 0), or the true label; a word that is a class of the set means that
    class. Raises ValueError, naming row and value, for another word, and for a sample that was not drawn, is there
    twice, has another label than was written, or is gone.
    """
    drawn, by = draw(labels, filled.n, filled.seed)
    place = {labels.sample_id[row]: int(row) for row in drawn}
    seen: dict[str, int] = {}
    judged: list[tuple[int, bool]] = []
    for number, row in enumerate(filled.rows, start=2):
        where, sample_id = f"{filled.path}, row {number}", row["sample_id"]
        if sample_id not in place:
            raise ValueError(f"{where}: sample {sample_id!r} was not drawn for this audit")
        if sample_id in seen:
            raise ValueError(f"{where}: sample {sample_id} is in row {seen[sample_id]} too")
        seen[sample_id] = number
        label = labels.classes[labels.label[place[sample_id]]]
        if row["label"] != label.strip():
            raise ValueError(f"{where}: the label of sample {sample_id} was {label!r}, got {row['label']!r}")
        if row["correct"]:
            judged.append((place[sample_id], _is_right(row["correct"], label, labels, where)))
    gone = [sample_id for sample_id in place if sample_id not in seen]
    if gone:
        raise ValueError(
            f"{filled.path}: the row of sample {gone[0]} is gone; one without a verdict stays, with `correct` empty"
        )
    rows = np.array([row for row, _ in judged], dtype=np.int64)
    return rows, np.array([right for _, right in judged], dtype=np.bool_), by


def words_of_classes(filled: FilledIn, labels: AuditedSet) -> list[str]:
    """The verdicts that could be read as yes or no and were read as classes, sorted."""
    return sorted(
        {row["correct"] for row in filled.rows if row["correct"].casefold() in YES | NO} & set(labels.classes)
    )


def _is_right(verdict: str, label: str, labels: AuditedSet, where: str) -> bool:
    if verdict in {name.strip() for name in labels.classes}:
        return verdict == label.strip()
    if verdict.casefold() in YES | NO:
        return verdict.casefold() in YES
    raise ValueError(f"{where}: correct {verdict!r} is neither y nor n nor a class of {labels.name!r}")
