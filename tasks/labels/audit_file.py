"""The file that a person fills in: which samples to check, and a verdict on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from windrow.schemas.texts.label_text import label_of
from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.corrections.correction_list import Correction
from windrow.tasks.labels.audit_sample import AuditedSet, draw, stratum_name
from windrow.tasks.storage.files.whole_or_absent import write_atomically
from windrow.tasks.storage.user_files.user_file import is_table, read_user_file
from windrow.tasks.storage.user_files.wanted_columns import Wanted
from windrow.tasks.texts.cells import csv_lines, text_of

COLUMNS = ("sample_id", "label", "confidence", "correct", "source_uri", "shard", "key", "stratum")
# What drew the sample: with these it can be drawn again, so that no row comes or goes unnoticed.
DRAWN_BY = ("label_set", "run_id", "n", "seed")
WANTED = Wanted(("sample_id", "label", "correct", *DRAWN_BY))
YES = frozenset({"y", "yes", "true", "t", "1"})
NO = frozenset({"n", "no", "false", "f", "0"})

PLACES_SQL = """
SELECT sample_id, source_uri, shard, key FROM standing WHERE sample_id IN (SELECT unnest($1))
"""


@dataclass(frozen=True)
class FilledIn:
    """An audit's file as it came back: rows of text, where a person finds each, and what drew it."""

    path: Path
    rows: Sequence[Mapping[str, str]]
    places: Sequence[str]
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
    if not path.is_file() or not is_table(path):
        raise ValueError(f"wants a .csv, .tsv or .parquet file of `windrow audit sample`, got {str(path)!r}")
    try:
        file = read_user_file(path, WANTED)
    except ValueError as error:
        raise ValueError(f"{error}. Is it a file of `windrow audit sample`?") from None
    if not file.rows.num_rows:
        raise ValueError(f"{path} has no rows")
    columns = {name: [_value(text) for text in file.texts(name)] for name in WANTED.needed}
    for row in range(file.rows.num_rows):
        for name in DRAWN_BY:
            first, value = columns[name][0], columns[name][row]
            if value != first:
                raise ValueError(f"{file.place(row)}: {name} {value!r} is not that of the first row, {first!r}")
    label_set, run_id, n, seed = (columns[name][0] for name in DRAWN_BY)
    if not n.isdecimal() or not seed.isdecimal():
        raise ValueError(f"{file.place(0)}: n and seed must be whole numbers, got {n!r} and {seed!r}")
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    places = [file.place(row) for row in range(len(rows))]
    return FilledIn(path, rows, places, label_set, run_id, int(n), int(seed))


def _value(text: str) -> str:
    """A text as labels are kept, so that '1.0' of a spreadsheet is '1' again; an empty one, or none, is ''."""
    try:
        return label_of(text_of(text)) or ""
    except ValueError:
        return text


def verdicts(filled: FilledIn, labels: AuditedSet) -> tuple[Int64Array, np.ndarray[Any, np.dtype[np.bool_]], str]:
    """The rows (m,) of the label set that have a verdict, whether (m,) they are right, and the strata of the draw.

    A verdict is y or n (yes, no, true, false, 1, 0), or the true label; a word that is a class of the set means that
    class. Raises ValueError, naming line and value, for another word, and for a sample that was not drawn, is there
    twice, has another label than was written, or is gone.
    """
    drawn, by = draw(labels, filled.n, filled.seed)
    place = {labels.sample_id[row]: int(row) for row in drawn}
    seen: dict[str, str] = {}
    judged: list[tuple[int, bool]] = []
    for where, row in zip(filled.places, filled.rows, strict=True):
        sample_id = row["sample_id"]
        if sample_id not in place:
            raise ValueError(f"{where}: sample {sample_id!r} was not drawn for this audit")
        if sample_id in seen:
            raise ValueError(f"{where}: sample {sample_id} is in {seen[sample_id].rpartition(', ')[2]} too")
        seen[sample_id] = where
        label = labels.classes[labels.label[place[sample_id]]]
        if row["label"] != _value(label):
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


def corrections_of(filled: FilledIn, labels: AuditedSet, who: str) -> list[Correction]:
    """What the verdicts say of samples: right labels are confirmed, wrong ones refuted, and true ones told.

    Raises ValueError as `verdicts` does.
    """
    verdicts(filled, labels)
    said, names = [], {_value(name) for name in labels.classes}
    why = f"audit of {filled.label_set} of run {filled.run_id}"
    for where, row in zip(filled.places, filled.rows, strict=True):
        verdict, label = row["correct"], row["label"]
        if not verdict:
            continue
        is_right = _is_right(verdict, label, labels, where)
        kind, value = ("label", label) if is_right else ("wrong_label", label)
        said.append(Correction(row["sample_id"], kind, who, value, why=why))
        if not is_right and verdict in names:
            said.append(Correction(row["sample_id"], "label", who, verdict, why=why))
    return said


def words_of_classes(filled: FilledIn, labels: AuditedSet) -> list[str]:
    """The verdicts that could be read as yes or no and were read as classes, sorted."""
    return sorted(
        {row["correct"] for row in filled.rows if row["correct"].casefold() in YES | NO} & set(labels.classes)
    )


def _is_right(verdict: str, label: str, labels: AuditedSet, where: str) -> bool:
    if verdict in {_value(name) for name in labels.classes}:
        return verdict == _value(label)
    if verdict.casefold() in YES | NO:
        return verdict.casefold() in YES
    raise ValueError(f"{where}: correct {verdict!r} is neither y nor n nor a class of {labels.name!r}")
